// Loads every page of a directory in Chromium and holds what a report promises; `report` starts it.
"use strict";
const fs = require("fs");
const path = require("path");
const puppeteer = require("puppeteer-core");
const { HtmlValidate } = require("html-validate");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [folder, screenshots] = process.argv.slice(2);
const LOOKS = [
  { name: "light", width: 1200, scheme: "light", media: "screen" },
  { name: "dark", width: 1200, scheme: "dark", media: "screen" },
  { name: "print", width: 800, scheme: "dark", media: "print" },
  { name: "narrow", width: 360, scheme: "light", media: "screen" },
  { name: "narrow-dark", width: 360, scheme: "dark", media: "screen" },
];
// axe needs most of the time, and the pages are of one make: these have every part of it.
const CLOSELY = ["memory-swap", "none", "compare", "live", "listen-overflow", "image", "bytes", "compare-hostile"];
// What must be readable, as it is, in the pages about programs with hostile names.
const NAMES = {
  image: ["<img src=x oner", '<img src=x onerror=1>|"\\x1b[31m', "<script>alert(1)</script>", "<svg onload=alert(1)>"],
  bytes: ['<b>|"\\x1b[31m\\n\ufffd\'`\\', "<script>alert(1)</script>", "<svg onload=alert(1)>"],
  "compare-hostile": ["<img src=x oner", '<b>|"\\x1b[31m\\n\ufffd\'`\\'],
};
const SIZE_MAX = 400_000;
const wrong = [];

async function look(browser, file, { name, width, scheme, media }) {
  const say = (text) => wrong.push(`${path.basename(file)}, ${name}: ${text}`);
  const page = await browser.newPage();
  const close = CLOSELY.includes(path.basename(file, ".html"));
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => say(`console: ${message.text()}`));
  page.on("pageerror", (error) => say(`error: ${error.message}`));
  page.on("dialog", (dialog) => { say(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.setViewport({ width, height: 900 });
  // Both at once: each of puppeteer's own two calls takes the other one back.
  const session = await page.createCDPSession();
  const features = [{ name: "prefers-color-scheme", value: scheme }];
  await session.send("Emulation.setEmulatedMedia", { media, features });
  await page.goto(`file://${file}`);
  if (requests.length !== 1) say(`requests: ${requests}`);
  const seen = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - window.innerWidth,
    scripts: document.querySelectorAll("script, iframe, object, embed, link, img, [onload], [onclick], [onerror]").length,
    background: getComputedStyle(document.body).backgroundColor,
    text: document.body.textContent,
  }));
  for (const text of NAMES[path.basename(file, ".html")] ?? []) if (!seen.text.includes(text)) say(`no ${text}`);
  if (seen.wide > 0) say(`${seen.wide} px too wide`);
  if (seen.scripts > 0) say(`${seen.scripts} elements that load or run something`);
  const dark = scheme === "dark" && media === "screen";
  if (dark === (seen.background === "rgb(255, 255, 255)")) say(`background ${seen.background}`);
  if (close) {
    // By the debugger's own world: the page's policy forbids scripts, and stays on.
    await page.evaluate(`${axe}; void 0`);
    const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    for (const { id, nodes } of violations) say(`axe ${id}: ${nodes.slice(0, 2).map((node) => node.html.slice(0, 160))}`);
  }
  if (screenshots && close) {
    await page.screenshot({ path: path.join(screenshots, `${path.basename(file, ".html")}-${name}.png`), fullPage: true });
  }
  await page.close();
}

// A flame graph has a script of its own, and nothing of a name's.
async function flameGraph(browser, file) {
  const say = (text) => wrong.push(`${path.basename(file)}: ${text}`);
  const page = await browser.newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => say(`console: ${message.text()}`));
  page.on("pageerror", (error) => say(`error: ${error.message}`));
  page.on("dialog", (dialog) => { say(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(`file://${file}`);
  if (requests.length !== 1) say(`requests: ${requests}`);
  const frames = await page.evaluate(() => [...document.querySelectorAll("#frames title")].map((title) => title.textContent));
  if (!frames.some((frame) => frame.includes("<svg onload=alert(1)>"))) say(`no such frame: ${frames.slice(0, 3)}`);
  // What its script does with a name when it is pressed on or searched for.
  for (const frame of await page.$$("#frames g, #frames svg")) await frame.click().catch(() => {});
  await page.close();
}

(async () => {
  const validator = new HtmlValidate({ extends: ["html-validate:recommended"] });
  const all = (ending) => fs.readdirSync(folder).filter((name) => name.endsWith(ending)).map((name) => path.join(folder, name));
  const [files, graphs] = [all(".html"), all(".svg")];
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  try {
    for (const file of files) {
      const name = path.basename(file);
      const { size } = fs.statSync(file);
      if (size > SIZE_MAX) wrong.push(`${name}: ${size} bytes`);
      const { results } = await validator.validateFile(file);
      for (const { messages } of results) {
        for (const { ruleId, message, line, column } of messages.slice(0, 5)) wrong.push(`${name}:${line}:${column} ${ruleId}: ${message}`);
      }
      for (const how of LOOKS) await look(browser, file, how);
    }
    for (const file of graphs) await flameGraph(browser, file);
  } finally {
    await browser.close();
  }
  for (const line of wrong.slice(0, 60)) console.error(line);
  console.log(`${files.length} pages in ${LOOKS.length} looks and ${graphs.length} flame graphs: ${wrong.length ? `${wrong.length} faults` : "no faults"}`);
  process.exit(wrong.length ? 1 : 0);
})();
