// What conformance.FillForms does, in the page itself: type the user's name and password where
// they are asked for, tick what can be ticked, press the button that says yes, or no. It is true
// if there was anything to do.
(function (want) {
  const yes = new RegExp(want.yes, "i"), no = new RegExp(want.no, "i");
  const shown = (e) => !e.disabled && e.type !== "hidden" && e.checkVisibility({ visibilityProperty: true });
  const says = (b, words) =>
    [b.innerText, b.value, b.getAttribute("aria-label"), (b.name || "").replaceAll("_", " ")].some((text) => text && words.test(text));
  const press = (buttons, deny) => {
    if (deny) {
      return buttons.find((b) => says(b, no));
    }
    return buttons.find((b) => !says(b, no) && says(b, yes)) || buttons.find((b) => !says(b, no));
  };
  // By the setter of the element's kind, which scripts of the page cannot hide.
  const type = (e, text) => {
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(e), "value").set.call(e, text);
    e.dispatchEvent(new Event("input", { bubbles: true }));
    e.dispatchEvent(new Event("change", { bubbles: true }));
  };
  // By the name as well: examples of servers like to show what is typed.
  const asksPassword = (e) => e.type === "password" || /password/i.test(e.name);
  const isButton = (e) => e.matches("button, input[type=submit], input[type=image], input[type=button], [role=button]");

  // What belongs to no form is one of its own: pages made by script have none.
  const groups = [...document.forms].map((form) => [form, [...form.elements]]);
  groups.push([null, [...document.querySelectorAll("input, button, select, textarea, [role=button]")].filter((e) => !e.form)]);
  for (const [form, elements] of groups) {
    const controls = elements.filter(shown);
    const fields = controls.filter((e) => e.matches("input, textarea") && !isButton(e) && e.type !== "reset");
    let buttons = controls.filter((e) => isButton(e) && e.type !== "reset");
    const submits = buttons.filter((e) => e.type !== "button");
    if (submits.length > 0) {
      buttons = submits;
    }
    if (form && ["code", "error", "response", "id_token"].some((name) => form.querySelector(`input[type=hidden][name=${name}]`))) {
      // It sends an authorization response. It does so by itself, or by its button.
      const button = press(buttons, false);
      if (button) {
        button.click();
      }
      return true;
    }
    const texts = fields.filter((e) => ["text", "email", "tel", "search", "url", "textarea"].includes(e.type) && !asksPassword(e));
    const signsIn = fields.some((e) => asksPassword(e) || ["text", "email"].includes(e.type));
    if (want.stay && !signsIn) {
      if (buttons.length > 0) {
        return false;
      }
      continue;
    }
    const button = press(buttons, want.deny && !signsIn);
    if (!button && (!form || fields.length === 0 || (want.deny && !signsIn))) {
      continue;
    }
    for (const e of texts) {
      if (e.value === "") {
        type(e, want.name);
      }
    }
    for (const e of fields) {
      if (asksPassword(e) && e.type !== "checkbox") {
        type(e, want.password);
      } else if (e.type === "checkbox" && !e.checked) {
        e.click();
      } else if (e.type === "radio" && ![...document.getElementsByName(e.name)].some((other) => other.checked)) {
        e.click();
      }
    }
    if (button) {
      button.click();
    } else {
      form.requestSubmit();
    }
    return true;
  }
  return false;
})
