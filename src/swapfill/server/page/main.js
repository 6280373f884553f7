// Puts the page together.

import { complain } from "./announce.js";
import { Api } from "./api.js";
import { Catalogue } from "./catalogue.js";
import { Compare } from "./compare.js";
import { showValues, zoomButtons } from "./controls.js";
import { button, find } from "./dom.js";
import { Filling } from "./filling.js";
import { Folder } from "./folder.js";
import { History } from "./history.js";
import { Keyboard } from "./keyboard.js";
import { Marking } from "./marking.js";
import { Methods } from "./methods.js";
import { chooser, maskLoader, opener, receive } from "./opening.js";
import { Pointer } from "./pointer.js";
import { Results } from "./results.js";
import { saveVersion } from "./saving.js";
import { Session } from "./session.js";
import { listen } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { Styling } from "./styling.js";
import { Tabs } from "./tabs.js";
import { askToken } from "./token.js";
import { Tools, TOOLS } from "./tools.js";
import { Work } from "./work.js";

const api = new Api(askToken);
const catalogue = new Catalogue();
const session = new Session();
const stage = new Stage();
const work = new Work(api);
const tabs = new Tabs();
const tools = new Tools(stage);
const compare = new Compare(stage, session);
const styling = new Styling(stage, session, work, catalogue);
const methods = new Methods(stage, session, work, tabs);
new History(stage, session, work);
new Marking(stage, work);
new Filling(stage, session, work, catalogue);
new Results(session, tabs, work);
const folder = new Folder(session, tabs, work, compare);
new Pointer(stage, tools);
new Keyboard(stage, tools);

session.addEventListener("change", () => {
  const { current } = session;
  if (!current) return;
  find("empty", HTMLElement).hidden = true;
  stage.show(current.picture);
  find("outcome", HTMLElement).hidden = !current.root;
  find("outcome-note", HTMLElement).textContent = current.made
    ? "In the format of your photograph, at full size, with its metadata."
    : "";
});
work.addEventListener("change", () => {
  tools.locked = work.busy;
  stage.element.classList.toggle("locked", work.busy);
  tools.cancel();
});

const open = opener(session, catalogue, work);
/** @param {File[]} files */
const take = (files) => {
  if (tabs.shown === "results") folder.show(files);
  else if (tabs.shown === "style" && session.current) void styling.add(files);
  else void open(files[0]);
};
receive(take);
chooser(["open", "empty-open"], "open-file", ([file]) => {
  if (tabs.shown !== "style") tabs.show("remove");
  void open(file);
});
chooser(["style-add"], "style-file", (files) => void styling.add(files));
const loadMask = maskLoader(stage, work);
chooser(["mask-load"], "mask-file", ([file]) => void loadMask(file));

const save = () => session.current?.root && saveVersion(session.current);
button("download").addEventListener("click", save);
const help = find("help", HTMLDialogElement);
button("help-open").addEventListener("click", () => help.showModal());
showValues();
const zoom = zoomButtons(stage);

/** @param {string} id of a button @returns {() => void} as if it were pressed */
const press = (id) => () => button(id).click();
listen([
  { keys: ["Ctrl+o"], says: "Open", act: press("open") },
  { keys: ["Ctrl+v"], says: "Paste a picture" }, // the browser's own
  ...TOOLS.map((tool) => ({
    keys: [tool[0]],
    says: tool[0].toUpperCase() + tool.slice(1),
    act: () => tools.take(tool),
  })),
  { keys: ["["], says: "Smaller brush", act: () => tools.resize(1 / 1.2) },
  { keys: ["]"], says: "Larger brush", act: () => tools.resize(1.2) },
  { keys: ["Ctrl+z"], says: "Undo", act: press("undo") },
  { keys: ["Ctrl+Shift+z", "Ctrl+y"], says: "Redo", act: press("redo") },
  { keys: ["i"], says: "Invert", act: press("invert") },
  { keys: ["g"], says: "Grow", act: press("grow") },
  { keys: ["Shift+g"], says: "Shrink", act: press("shrink") },
  { keys: ["Delete", "Backspace"], says: "Clear", act: press("clear") },
  { keys: ["f", "Ctrl+Enter"], says: "Fill", act: press("fill") },
  { keys: ["Escape"], says: "Cancel", act: () => (tools.shape ? tools.cancel() : work.cancel()) },
  { keys: ["c"], says: "Compare", act: () => compare.toggle() },
  { keys: ["o"], says: "See before", shown: "hold O", act: () => compare.hold(true) },
  { keys: ["t"], says: "Another try", act: press("again") },
  { keys: ["Shift+t"], says: "Refine", act: press("refine") },
  { keys: ["Ctrl+s"], says: "Download", act: press("download") },
  { keys: ["+", "="], says: "Zoom in", act: zoom.in },
  { keys: ["-"], says: "Zoom out", shown: "−", act: zoom.out },
  { keys: ["0"], says: "Whole picture", act: zoom.fit },
  { keys: ["1"], says: "Actual pixels", act: zoom.real },
  { keys: ["?"], says: "This sheet", act: () => help.showModal() },
]);
addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() === "o") compare.hold(false);
});

try {
  await catalogue.load(api);
  methods.offer(catalogue);
} catch (error) {
  complain(error);
}
