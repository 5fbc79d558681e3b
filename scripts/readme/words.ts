/** The languages of the READMEs. */
export const LANGUAGES = ["en", "zh"] as const;
export type Language = (typeof LANGUAGES)[number];

/** A text in each of them. */
export type Words = Readonly<Record<Language, string>>;
