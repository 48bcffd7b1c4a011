/// page_style.h: the style sheet of a report. Standard library only.
///
/// Colours of files are those of Okabe and Ito, which people with any colour vision tell apart,
/// lighter on a dark page. No fonts are fetched.
#pragma once

#include <string_view>

namespace pagealloc::bench {

inline constexpr std::string_view kPageStyle = R"(
:root{--bg:#fff;--fg:#1c2127;--soft:#5b6570;--line:#d5dae0;--tint:#f3f5f7;--band:#e3e9ef;
--c0:#0072b2;--c1:#d55e00;--c2:#008463;--c3:#a8578a;--c4:#8a6d00;--bad:#b3261e;--good:#0b6b3a;
--warn:#7a5200;--null:#79838e}
@media(prefers-color-scheme:dark){:root{--bg:#14181c;--fg:#e4e8ec;--soft:#9ba6b1;--line:#39424b;
--tint:#1d2329;--band:#27313a;--c0:#56b4e9;--c1:#f0883e;--c2:#2fc79d;--c3:#d891bd;--c4:#e3c341;
--bad:#ff8a80;--good:#6fd99b;--warn:#f0c265;--null:#8b96a1}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:1.5rem clamp(.8rem,3vw,2.5rem) 4rem;max-width:82rem;background:var(--bg);
color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.7rem;margin:0 0 .4rem}
h2{font-size:1.3rem;margin:2.6rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.4rem 0 .4rem}
h4{font-size:.95rem;margin:1.2rem 0 .2rem}
p{margin:.5rem 0;max-width:48rem}
.lead{font-size:1.1rem;font-weight:600}
.note,small,figcaption span,.files span{color:var(--soft)}
ul{padding-left:1.2rem;margin:.5rem 0}
.files,.counts,.legend{list-style:none;padding:0}
.files span{display:block;padding-left:1.5rem;overflow-wrap:anywhere}
.files b{overflow-wrap:anywhere}
.counts,.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}
nav ol{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;padding:.6rem 0;margin:1rem 0 0;
border-block:1px solid var(--line)}
a{color:var(--c0)}
.swatch{display:inline-block;width:1rem;height:.7rem;border-radius:2px;background:currentColor;
vertical-align:baseline}
.cell small{display:block;font-weight:400}
.swatch.null{height:0;background:none;border-top:2px dashed var(--null);vertical-align:.28rem}
.c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}
.verdict{white-space:nowrap;font-weight:600;color:var(--soft)}
.regressed,.missing,.incomparable{color:var(--bad)}
.improved{color:var(--good)}
.unclear,.exact-changed{color:var(--warn)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(19rem,100%),1fr));
gap:1.2rem 1.6rem}
figure{margin:0;min-width:0;break-inside:avoid}
figcaption{font-size:.85rem;line-height:1.35;overflow-wrap:anywhere}
figcaption span{display:block}
.wide{margin-top:.8rem;max-width:66rem}
svg{display:block;max-width:100%;height:auto}
.panel{width:100%}
svg text{font:10.5px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
fill:var(--soft)}
.grid line.grid,line.grid{stroke:var(--line);stroke-width:1}
.axis{stroke:var(--soft);stroke-width:1}
.line{fill:none;stroke:currentColor;stroke-width:1.8}
.line.null{stroke:var(--null);stroke-dasharray:4 3;stroke-width:1.3}
.dot{fill:currentColor}
.dot.null{fill:none}
.ring{fill:var(--bg);stroke:currentColor;stroke-width:1.2}
.dot.null .ring{stroke:none;fill:none}
.band{fill:var(--band)}
.one{stroke:var(--soft);stroke-width:1}
.whisker{stroke:currentColor;stroke-width:1.6}
.mark{fill:currentColor}
.mark.same{color:var(--soft)}.mark.added{color:var(--soft)}
.fill{fill:currentColor}
.scroll{overflow-x:auto;margin:.6rem 0}
.scroll:focus-visible{outline:2px solid var(--c0)}
table{border-collapse:collapse;font-size:.86rem;line-height:1.35}
caption{text-align:left;white-space:nowrap;font-weight:600;padding:.4rem 0;font-size:.95rem}
th,td{text-align:left;vertical-align:top;padding:.22rem .7rem .22rem 0;
border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom}
tbody th{font-weight:500}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.forest{width:100%}
.forest td,.forest tbody th{padding-block:0;vertical-align:middle}
.forest tbody th{min-width:13rem;overflow-wrap:anywhere}
.forest .plot{width:320px;min-width:320px;padding-inline:0 .9rem}
.forest svg{width:320px;max-width:none}
.memory th{min-width:13rem;overflow-wrap:anywhere}
.bars{min-width:200px;vertical-align:middle}
.bars div{padding:.28rem 0}
.bar{width:200px;max-width:none}
.texts th{white-space:nowrap}
.texts td{overflow-wrap:anywhere;min-width:10rem}
details summary{cursor:pointer;color:var(--c0);margin:.6rem 0}
.numbers{width:100%}
.cell th{padding-top:1.3rem;font-weight:600}
code{font:.82rem/1.4 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
.cell code{display:block;font-weight:400;color:var(--soft);overflow-wrap:anywhere;
user-select:all;max-width:70rem}
@media(max-width:700px){.forest,.forest thead,.forest tbody,.forest tr,.forest th,.forest td{
display:block;border:0}
.forest tbody tr{border-bottom:1px solid var(--line);padding:.35rem 0}
.forest thead th:not(.plot){display:none}
.forest .plot,.forest svg{width:100%;min-width:0;max-width:320px;padding:0}
.forest .n,.forest td:last-child{display:inline-block;text-align:left;padding:0 1rem 0 0}}
@media print{body{max-width:none;padding:0;font-size:11px}nav{display:none}
section{break-before:auto}.scroll{overflow:visible}h2{break-after:avoid}
tr,figure{break-inside:avoid}}
)";

}  // namespace pagealloc::bench
