import fc from "fast-check";

/** Any character but halves of surrogate pairs, as fast-check's unit `binary`, which first makes a table of them all. */
const character = fc
  .integer({ min: 0, max: 0x10ffff - 0x800 })
  .map((code) => String.fromCodePoint(code < 0xd800 ? code : code + 0x800));

/** A text of any characters. */
export const anyText = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: character, maxLength });
