import { createHash } from "node:crypto";

/** `<!-- translates "Get started" 1a2b3c4d -->`: the section of the original, and its hash when it was translated. */
const MARK = /^<!-- translates "(.+)" ([0-9a-f]{8}) -->\n/gm;

/** The sections of a page by their headings of the first two levels, with the text up to the next one. */
function sectionsOf(page: string): [heading: string, text: string][] {
  return page.split(/^(?=##? )/m).map((section) => [/^##? (.+)/.exec(section)?.[1] ?? "", section]);
}

const hashOf = (text: string) => createHash("sha256").update(text.trim()).digest("hex").slice(0, 8);

/** The sections of a page whose translation is missing or older, and those that are translated but gone, by heading. */
export function outdatedSections(original: string, translation: string): string[] {
  const current = new Map(sectionsOf(original).map(([heading, text]) => [heading, hashOf(text)]));
  const translated = new Map([...translation.matchAll(MARK)].map(([, heading, hash]) => [heading!, hash!]));
  const headings = new Set([...current.keys(), ...translated.keys()]);
  return [...headings].filter((heading) => current.get(heading) !== translated.get(heading));
}

/** A translation whose sections are marked as those of the original now. @throws Error when their numbers differ */
export function markedTranslation(original: string, translation: string): string {
  const [sections, translated] = [sectionsOf(original), sectionsOf(translation.replace(MARK, ""))];
  if (sections.length !== translated.length)
    throw new Error(`The original has ${sections.length} sections, and the translation has ${translated.length}`);
  return translated
    .map(([, text], index) => {
      const [heading, source] = sections[index]!;
      return text.replace(/^(##? .+\n)/, `$1<!-- translates ${JSON.stringify(heading)} ${hashOf(source)} -->\n`);
    })
    .join("");
}
