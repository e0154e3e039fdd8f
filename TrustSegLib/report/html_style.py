"""The style of `report.html`: dark on white, for a screen and for A4 paper."""

STYLE = """
@page { size: A4; margin: 14mm 14mm 16mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 8mm; max-width: 198mm; background: #fff; color: #1b1d21;
  font: 10.5pt/1.45 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
header { border-bottom: .5mm solid #1b1d21; padding-bottom: 3mm; }
.use { display: inline-block; background: #8a1c1c; color: #fff; padding: .6mm 3mm; font-weight: 700;
  letter-spacing: .06em; text-transform: uppercase; font-size: 9pt; }
h1 { font-size: 17pt; margin: 2mm 0 1mm; overflow-wrap: anywhere; }
h2 { font-size: 12.5pt; margin: 7mm 0 2mm; break-after: avoid; }
h3 { font-size: 10.5pt; margin: 4mm 0 1mm; break-after: avoid; }
p { margin: 1mm 0; }
.dim { color: #5a5f69; }
table { border-collapse: collapse; width: 100%; font-size: 9.5pt; }
th { text-align: left; font-weight: 600; border-bottom: .3mm solid #1b1d21; vertical-align: bottom; }
td { border-bottom: .15mm solid #c9ccd2; vertical-align: top; overflow-wrap: anywhere; }
th, td { padding: 1mm 2mm 1mm 0; }
tr { break-inside: avoid; }
.numbers td { font-variant-numeric: tabular-nums; }
.structures td:nth-child(n+2):nth-child(-n+5), .regions td:nth-child(n+3) { white-space: nowrap; }
.swatch, .key i { display: inline-block; width: 3.2mm; height: 3.2mm; margin-right: 1.5mm;
  vertical-align: -.4mm; }
.key .bar { width: 28mm; margin: 0 1mm; }
.flag { color: #8a1c1c; font-weight: 600; }
.warnings { border-left: 1.2mm solid #c77700; background: #fff6e6; padding: 2mm 3mm; margin: 4mm 0; }
.warnings ul { margin: 0; padding-left: 5mm; }
.figure, .region { break-inside: avoid; }
.row { display: flex; gap: 1.5mm; align-items: flex-end; margin: 1.5mm 0; }
figure { margin: 0; min-width: 0; }
figure svg { display: block; width: 100%; background: #000; }
figure text { fill: #fff; stroke: #000; stroke-width: .12em; paint-order: stroke; font-family: inherit;
  font-weight: 600; }
figcaption { font-size: 8.5pt; color: #5a5f69; }
.legend { display: flex; flex-wrap: wrap; gap: 1mm 6mm; font-size: 8.5pt; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .5mm 5mm; font-size: 9pt; margin: 1mm 0; }
dt { color: #5a5f69; }
dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 8mm; border-top: .15mm solid #c9ccd2; padding-top: 2mm; font-size: 8.5pt;
  color: #5a5f69; }
@media print { body { padding: 0; max-width: none; } }
"""
