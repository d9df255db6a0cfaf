/// How the report looks: light or dark as the reader's system is, from a phone's width on, and on paper.
enum ReportStyle {
    static let sheet: HTML = """
        :root {
          color-scheme: light dark;
          --back: #ffffff; --card: #f6f7f9; --text: #1b1f24; --quiet: #5c6672; --line: #dfe3e8; --track: #e6e9ee;
          --accent: #2f6db5; --accent-2: #8fb5de; --good: #2c7a4b; --warning: #a86500; --bad: #b3261e;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --back: #121519; --card: #1a1f25; --text: #e6e9ed; --quiet: #98a2ae; --line: #2b323b; --track: #2a3038;
            --accent: #6ea6e3; --accent-2: #37577c; --good: #62b583; --warning: #dfa13d; --bad: #ee7a70;
          }
        }
        * { box-sizing: border-box; }
        body {
          margin: 0; background: var(--back); color: var(--text);
          font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
          -webkit-text-size-adjust: 100%;
        }
        main { max-width: 54rem; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
        h1 { font-size: 1.6rem; line-height: 1.25; font-weight: 650; margin: 0 0 .3rem; letter-spacing: -.01em; }
        h2 { font-size: 1.08rem; font-weight: 650; margin: 0 0 1rem; }
        h3 { font-size: .93rem; font-weight: 650; margin: 1.8rem 0 .6rem; }
        p { margin: 0 0 .8rem; max-width: 44rem; }
        section { margin-top: 3rem; }
        .quiet { color: var(--quiet); }
        .small { font-size: .87rem; }
        .good { color: var(--good); } .warning { color: var(--warning); } .bad { color: var(--bad); }
        code, .path { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .87em; }
        .path { overflow-wrap: anywhere; }
        .verdict { margin-top: 1.8rem; padding: 1.1rem 1.3rem; background: var(--card); border-left: 4px solid var(--good); border-radius: 3px; }
        .verdict.is-warning { border-color: var(--warning); } .verdict.is-bad { border-color: var(--bad); }
        .verdict p { margin: 0 0 .35rem; } .verdict p:last-child { margin: 0; }
        .verdict .said { font-size: 1.1rem; font-weight: 600; }
        .next code { display: block; margin-top: .3rem; white-space: pre-wrap; }
        .figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1.5rem; margin: 2rem 0 0; }
        .figures dt { color: var(--quiet); font-size: .87rem; }
        .figures dd { margin: .1rem 0 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
        .figures small { display: block; font-size: .87rem; font-weight: 400; color: var(--quiet); letter-spacing: 0; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th { text-align: left; font-weight: 500; color: var(--quiet); font-size: .87rem; }
        th, td { padding: .42rem .9rem .42rem 0; vertical-align: baseline; border-bottom: 1px solid var(--line); }
        th:last-child, td:last-child { padding-right: 0; }
        tr:last-child td { border-bottom: 0; }
        .right { text-align: right; white-space: nowrap; }
        .bar { display: flex; height: .6rem; background: var(--track); border-radius: .3rem; overflow: hidden; }
        .bar i { display: block; height: 100%; }
        .bar i + i { border-left: 1px solid var(--back); }
        .c1 { background: var(--accent); } .c2 { background: var(--accent-2); } .cg { background: var(--good); }
        .cw { background: var(--warning); } .cb { background: var(--bad); } .c0 { background: var(--quiet); }
        .devices { display: grid; grid-template-columns: repeat(2, 1fr); gap: 1.6rem 2.5rem; }
        .device .name { display: flex; justify-content: space-between; gap: 1rem; margin-bottom: .35rem; }
        .device b { font-weight: 600; overflow-wrap: anywhere; }
        .device .state { white-space: nowrap; }
        .device .under { display: flex; justify-content: space-between; gap: 1rem; margin-top: .3rem; }
        .domain + .domain { margin-top: 1.4rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
        .domain > h3 { margin-top: 0; }
        .legend { display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; margin: .9rem 0 0; padding: 0; list-style: none; font-variant-numeric: tabular-nums; }
        .legend i { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin-right: .5rem; }
        .space { display: grid; gap: .75rem; }
        .space .row {
          display: grid; grid-template: "what bar bytes" auto ". why why" auto / 8.5rem 1fr max-content;
          column-gap: 1.1rem; align-items: center; font-variant-numeric: tabular-nums;
        }
        .space .what { grid-area: what; } .space .bar { grid-area: bar; } .space .why { grid-area: why; }
        .space .bytes { grid-area: bytes; min-width: 5rem; text-align: right; }
        .scroll { overflow-x: auto; }
        .plot { display: block; width: 100%; height: auto; overflow: visible; }
        .plot text { fill: var(--quiet); font-size: 12px; font-family: inherit; font-variant-numeric: tabular-nums; }
        .plot .said { fill: var(--text); } .plot .strong { font-weight: 600; }
        .plot .axis { stroke: var(--line); stroke-width: 1; fill: none; }
        .plot .first { stroke: var(--accent); stroke-width: 2; fill: none; } .plot .second { stroke: var(--quiet); stroke-width: 2; fill: none; stroke-dasharray: 5 4; }
        .plot .under { fill: var(--accent); opacity: .08; stroke: none; }
        .plot .stem { stroke: var(--line); stroke-width: 2; } .plot .dot { fill: var(--accent-2); } .plot .dot.now { fill: var(--accent); }
        .plot.narrow { display: none; }
        ul.plain { margin: 0; padding-left: 1.1rem; max-width: 44rem; }
        ul.plain li { margin-bottom: .25rem; }
        footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
        @media (max-width: 40rem) {
          main { padding: 1.8rem 1.1rem 3rem; }
          section { margin-top: 2.4rem; }
          .figures { grid-template-columns: repeat(2, 1fr); gap: 1.2rem; }
          .devices { grid-template-columns: 1fr; }
          .space .row { grid-template: "what bytes" auto "bar bar" auto "why why" auto / 1fr max-content; row-gap: .2rem; }
          .plot.wide { display: none; } .plot.narrow { display: block; }
        }
        @media print {
          :root {
            color-scheme: light;
            --back: #fff; --card: #fff; --text: #000; --quiet: #444; --line: #bbb; --track: #e4e4e4;
            --accent: #2f6db5; --accent-2: #8fb5de; --good: #2c7a4b; --warning: #a86500; --bad: #b3261e;
          }
          body { font-size: 10.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
          main { max-width: none; padding: 0; }
          section { margin-top: 1.6rem; }
          .device, .verdict, .figures, table, svg, .row, tr { break-inside: avoid; }
          h2, h3 { break-after: avoid; }
        }
        """
}
