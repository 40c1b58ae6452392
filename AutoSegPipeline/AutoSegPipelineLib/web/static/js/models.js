// The admin's list of trained models: add one as a zip, check, remove.
import { address, ask, getJson, headers, part, problemOf } from "./api.js";
import { confirm } from "./dialogs.js";
import { byId, el, setText, toast } from "./dom.js";
import { bytes, many } from "./words.js";

const PATH = "api/v1/models";

export class Models {
  constructor() {
    this.card = byId("models");
    this.list = byId("models-list");
    this.said = byId("models-said");
    this.file = el("input", { type: "file", id: "model-file", accept: ".zip" });
    this.table = el("input", { type: "file", id: "model-table", accept: ".csv,.tsv,.txt,.json,.ctbl" });
    this.name = el("input", { type: "text", id: "model-name", maxlength: 63, autocomplete: "off", spellcheck: "false", placeholder: "as the model says" });
    this.channels = el("textarea", { id: "model-channels", rows: 2, spellcheck: "false", placeholder: "T1*\n*FLAIR*" });
    this.title = words("title", "as the model says");
    this.modality = el("select", { id: "model-modality" }, ...[["", "as the model says"], ["CT", "CT"], ["MR", "MR"]].map(([value, text]) => el("option", { value, text })));
    this.folds = words("folds", "all that are there");
    this.checkpoint = words("checkpoint", "checkpoint_final.pth");
    this.configuration = words("configuration", "the best that is there");
    this.trainer = words("trainer", "the one that trained it");
    this.replace = el("input", { type: "checkbox", id: "model-replace" });
    this.button = el("button", { type: "button", class: "button primary", text: "Add the model", onclick: () => this.add(false) });
  }

  start() {
    byId("models-form").replaceChildren(
      field("model-file", "Model (the zip that nnU-Net exports)", this.file), field("model-table", "Table of names, colours and codes (optional)", this.table),
      field("model-name", "Name", this.name),
      field("model-channels", "DICOM series of each channel by description, a line each (optional)", this.channels), this.more(), el("div", {}, this.button));
    this.card.hidden = false;
    return this.read();
  }

  more() {
    return el("details", { class: "options" }, el("summary", { text: "More" }), el("div", { class: "options-body" }, el("div", { class: "option-grid" },
      field("model-title", "Title", this.title), field("model-modality", "For scans of", this.modality), field("model-folds", "Folds (0 1 2, or all)", this.folds),
      field("model-checkpoint", "Checkpoint", this.checkpoint), field("model-configuration", "Configuration", this.configuration), field("model-trainer", "Trainer", this.trainer)),
    el("label", {}, this.replace, " Replace a model of the same name")));
  }

  async read() {
    const { models, broken } = await getJson(PATH);
    this.list.replaceChildren(...models.map((model) => this.row(model)), ...broken.map((name) => el("li", { class: "model" },
      el("div", {}, el("b", { text: name }), el("p", { class: "facts", text: "Its record cannot be read." })), this.remover(name))));
    byId("models-empty").hidden = models.length + broken.length > 0;
  }

  row(model) {
    const facts = [`task ${model.name}`, model.modality || "any modality", model.channels.join(" + "), model.configuration,
      many(model.classes.length, "structure"), bytes(model.bytes), `added ${model.added_at.slice(0, 10)}${model.added_by ? ` by ${model.added_by}` : ""}`];
    if (model.patterns?.length) facts.push(`DICOM series ${model.patterns.join(", ")}`);
    if (model.trusted) facts.push("trusted: its checkpoints may run code");
    return el("li", { class: "model" },
      el("div", {}, el("b", { text: model.title || model.name }), el("p", { class: "facts", text: facts.join(" · ") }),
        el("details", {}, el("summary", { text: "Structures and licence" }),
          el("p", { text: model.classes.map((one) => one.name).join(", ") }), el("pre", { class: "log", text: model.licence || "No licence is stated." }))),
      el("div", { class: "actions" },
        el("button", { type: "button", class: "button small", "aria-label": `Check ${model.name}`, text: "Check", onclick: (event) => this.check(model.name, event.target) }),
        this.remover(model.name)));
  }

  remover(name) {
    return el("button", { type: "button", class: "button small danger", "aria-label": `Remove ${name}`, text: "Remove", onclick: () => this.remove(name) });
  }

  say(text, bad = false) {
    this.said.classList.toggle("bad", bad);
    setText(this.said, text);
  }

  complain(error) {
    this.say([error.message, error.hint].filter(Boolean).join(" "), true);
  }

  async add(trust) {
    const [model, table] = [this.file.files[0], this.table.files[0]];
    if (!model) return this.say("Choose the zip of a model first.", true);
    this.button.disabled = true;
    try {
      if (!trust) {
        this.say(`Uploading ${model.name} (${bytes(model.size)}) ...`);
        this.upload = await this.put(model, "model", "");
        if (table) await this.put(table, "labels", this.upload);
      }
      this.say("The model is being checked ...");
      await this.answer(await this.ask("POST", PATH, { upload: this.upload, trust, ...this.given() }));
      this.say(`${model.name} was added.`);
      for (const input of [this.file, this.table, this.channels, this.modality, ...this.texts()]) input.value = "";
      this.replace.checked = false;
    } catch (error) {
      this.complain(error);
      if (error.code === "engine.checkpoint_unsafe" && !trust) return this.offerTrust(error);
    } finally {
      this.button.disabled = false;
    }
    return this.read();
  }

  texts() {
    return [this.name, this.title, this.folds, this.checkpoint, this.configuration, this.trainer];
  }

  given() {
    const [name, title, folds, checkpoint, configuration, trainer] = this.texts().map((input) => input.value.trim());
    return { name, title, modality: this.modality.value, channels: this.patterns(), folds: folds.split(/[\s,]+/).filter(Boolean),
      checkpoint, configuration, trainer, replace: this.replace.checked };
  }

  patterns() {
    return this.channels.value.split("\n").map((line) => line.trim()).filter(Boolean);
  }

  async offerTrust(error) {
    const text = `${error.message} Whoever made it could then do on the server whatever this program may do. The audit log and the manifest of every result say that you trusted it.`;
    if (await confirm("Load this model although it may run code?", text, "I trust its makers", "Do not load it")) return this.add(true);
    return undefined;
  }

  async check(name, button) {
    button.disabled = true;
    this.say(`Checking ${name} ...`);
    try {
      await this.answer(await this.ask("POST", `${PATH}/${part(name)}/check`));
      this.say(`${name} is as it was added, and can run.`);
    } catch (error) {
      this.complain(error);
    } finally {
      button.disabled = false;
    }
  }

  async remove(name) {
    if (!await confirm(`Remove ${name}?`, "Its files are deleted. Results that it made stay.", "Remove it")) return;
    try {
      await ask("DELETE", `${PATH}/${part(name)}`);
      toast(`${name} was removed.`);
      this.say("");
    } catch (error) {
      this.complain(error);
    }
    await this.read();
  }

  async ask(method, path, body) {
    return (await ask(method, path, body)).json();
  }

  async put(file, kind, upload) {
    const response = await fetch(address(`${PATH}/files/${part(file.name)}?kind=${kind}&upload=${upload}`), {
      method: "PUT", body: file, credentials: "same-origin", headers: headers({ "Content-Type": "application/octet-stream" }),
    });
    if (!response.ok) throw await problemOf(response);
    return (await response.json()).upload;
  }

  /** Wait until the pipeline has answered; throws what it says against it. */
  async answer({ request }) {
    for (;;) {
      const { done, error } = await getJson(`${PATH}/requests/${request}`);
      if (error) throw Object.assign(new Error(error.message), error);
      if (done) return;
      await new Promise((resolve) => { setTimeout(resolve, 700); });
    }
  }
}

function words(name, placeholder) {
  return el("input", { type: "text", id: `model-${name}`, maxlength: 80, autocomplete: "off", spellcheck: "false", placeholder });
}

function field(id, title, input) {
  return el("div", {}, el("label", { for: id, text: title }), input);
}
