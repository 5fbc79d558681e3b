import { init } from "echarts";
import { escaped } from "../../render/html";
import { CHART_WIDTH, type Chart } from "./charts";

const FONT = 'system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif'.replaceAll('"', "");

/** A chart as an SVG for a page with this project's colours. Its ids begin with a prefix, so that pages have several. */
export function chartSvg({ option, height, description }: Chart, prefix: string): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: CHART_WIDTH, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: FONT }, ...option });
    return (
      chart
        .renderToSVGString()
        // styles of pointers, and what only a script would read
        .replace(/<style[^]*?<\/style>/g, "")
        .replace(/ (?:class|ecmeta_\w+|pointer-events|xmlns(?::\w+)?|baseProfile|version)="[^"]*"/g, "")
        // the library counts its charts
        .replace(/\bzr\d+-/g, `${prefix}-`)
        .replace(/<svg width="\d+" height="\d+"/, () => `<svg role="img" aria-label="${escaped(description)}"`)
        .replace(/\n\s*/g, "")
    );
  } finally {
    chart.dispose();
  }
}
