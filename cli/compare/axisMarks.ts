/** Steps between marks of an axis that spans less than this many times its lowest value. */
const NARROW = 3;
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
/** Marks in each decade of a wider one, the most first. */
const MANTISSAS = [[1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
const MOST = 6;

/** Round numbers within a range, for a logarithmic axis: as many as fit beside each other. */
export function axisMarks(low: number, high: number): number[] {
  const decade = 10 ** Math.floor(Math.log10(low));
  const isWithin = (value: number) => value >= low && value <= high;
  const multiples = (step: number) => {
    const first = Math.ceil(low / step);
    const count = Math.ceil(high / step) - first + 1;
    return Array.from({ length: count }, (_, index) => rounded((first + index) * step)).filter(isWithin);
  };
  const candidates =
    high / low < NARROW
      ? STEPS.map((step) => multiples(step * 10 * decade))
      : MANTISSAS.map((mantissas) =>
          Array.from({ length: Math.ceil(Math.log10(high / low)) + 2 }, (_, power) =>
            mantissas.map((each) => rounded(each * decade * 10 ** power)),
          )
            .flat()
            .filter(isWithin),
        );
  return candidates.find(({ length }) => length <= MOST) ?? everyOther(candidates.at(-1)!);
}

function everyOther(marks: readonly number[]): number[] {
  const apart = Math.ceil(marks.length / MOST);
  return marks.filter((_, index) => index % apart === 0);
}

const rounded = (value: number) => Number(value.toPrecision(10));
