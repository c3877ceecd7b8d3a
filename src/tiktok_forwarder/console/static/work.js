// Unsaved work. A form with data-work keeps what is typed in this tab until it is saved or discarded: leaving it asks,
// and a login after the session ended, a reload or an error page leads back to it.
//
// What is kept is sealed with a key that only pages of the logged-in user have, so that the tab's storage is of no use
// to anyone else. It never has passwords, access tokens or fields with data-private, is restored only for the same
// user, and is removed when it is saved, discarded or older than twelve hours, and when the user logs out.
(() => {
    "use strict";

    const PREFIX = "draft ";
    const LEFT = "left";
    const LONGEST_MS = 12 * 3600 * 1000;
    const LEFT_MS = 60 * 1000;
    const channel = new BroadcastChannel("tiktok-forwarder drafts");

    /**
     * A draft as it is stored: who typed it and when, whether its form was sent since, whether fields were left out,
     * and its sealed fields.
     * @typedef {{user: string, at: number, isSent: boolean, isPartial: boolean, iv: string, sealed: string}} Draft
     */

    /** @type {(bytes: Uint8Array) => string} */
    const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    /** @type {(text: string) => Uint8Array} */
    const fromBase64 = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));

    // --- storage ---

    /** @returns {Array<[string, Draft]>} every draft of this tab, by the name of its form */
    const allDrafts = () =>
        Object.keys(sessionStorage)
            .filter((each) => each.startsWith(PREFIX))
            .map((each) => [each.slice(PREFIX.length), JSON.parse(sessionStorage.getItem(each))]);
    /** @type {(name: string) => Draft | null} */
    const draftOf = (name) => JSON.parse(sessionStorage.getItem(PREFIX + name));
    /** @type {(name: string, draft: Draft) => void} */
    const store = (name, draft) => sessionStorage.setItem(PREFIX + name, JSON.stringify(draft));
    /** @type {(name: string) => void} */
    const remove = (name) => sessionStorage.removeItem(PREFIX + name);
    const removeAll = () => allDrafts().forEach(([name]) => remove(name));

    /** Remove drafts that are too old and, on a page of a user, those of other users. */
    const tidy = (user) => {
        for (const [name, draft] of allDrafts()) {
            if (Date.now() - draft.at > LONGEST_MS || (user && draft.user !== user)) remove(name);
        }
    };

    // --- the fields of a form ---

    const isPrivate = (field) => field.type === "password" || "private" in field.dataset;
    /** @type {(form: HTMLFormElement) => string} what tells whether anything was changed, secrets included */
    const stateOf = (form) => JSON.stringify([...new FormData(form)].filter(([name]) => name !== "csrf"));

    /** @type {(form: HTMLFormElement) => {fields: Array<[string, string]>, isPartial: boolean}} */
    const keptFields = (form) => {
        const hidden = new Set([...form.elements].filter(isPrivate).map((each) => each.name));
        const given = [...new FormData(form)].filter(([name, value]) => name !== "csrf" && typeof value === "string");
        const fields = given.filter(([name]) => !hidden.has(name));
        return { fields, isPartial: given.some(([name, value]) => hidden.has(name) && value !== "") };
    };

    /** Put fields back by name, those of one name in their order. */
    const fill = (form, fields) => {
        const byName = new Map();
        for (const [name, value] of fields) byName.set(name, [...(byName.get(name) ?? []), value]);
        for (const field of form.elements) {
            if (!field.name || field.name === "csrf" || field.type === "submit" || isPrivate(field)) continue;
            const values = byName.get(field.name) ?? [];
            if (field.type === "checkbox" || field.type === "radio") field.checked = values.includes(field.value);
            else if (values.length) field.value = values.shift();
        }
    };

    /** Have the server draw a form that is made of parts, such as cards, with these fields. */
    const redraw = async (form, fields, token) => {
        const answer = await fetch(form.dataset.redraw, {
            method: "POST",
            headers: { accept: "text/html", "x-csrf-token": token },
            body: new URLSearchParams([...fields, ["csrf", token]]),
        });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const drawn = page.getElementById(form.id);
        if (!answer.ok || !drawn) throw new Error(`the form could not be drawn again: ${answer.status}`);
        form.replaceChildren(...drawn.childNodes);
        for (const field of [...form.elements].filter((each) => each.id && !form.contains(each))) {
            field.replaceWith(page.getElementById(field.id));
        }
        htmx.process(form);
        form.dispatchEvent(new Event("change", { bubbles: true }));
    };

    // --- pages of a user ---

    /** The work of one page: its forms, and the drafts of its user. */
    class Work {
        constructor(user, key, token) {
            this.user = user;
            this.token = token;
            this.key = crypto.subtle.importKey("raw", fromBase64(key), "AES-GCM", false, ["encrypt", "decrypt"]);
            /** @type {Map<HTMLFormElement, string>} the forms with their states when they were opened */
            this.opened = new Map();
            /** @type {Set<HTMLFormElement>} the forms that are on their way to the server */
            this.sent = new Set();
            this.saving = Promise.resolve();
            this.mayLeave = false;
        }

        /** @type {(form: HTMLFormElement) => boolean} */
        isChanged(form) {
            return this.opened.get(form) !== stateOf(form);
        }

        get hasChanges() {
            return [...this.opened.keys()].some((form) => this.isChanged(form));
        }

        about(name) {
            return new TextEncoder().encode(`${this.user} ${name}`);
        }

        /** Keep the form as it is now; one after the other, so that the newest stays. */
        keep(form) {
            const name = form.dataset.work;
            this.saving = this.saving.then(async () => {
                if (!this.opened.has(form)) return;
                if (!this.isChanged(form)) return remove(name);
                const { fields, isPartial } = keptFields(form);
                const iv = crypto.getRandomValues(new Uint8Array(12));
                const bytes = new TextEncoder().encode(JSON.stringify(fields));
                const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: this.about(name) }, await this.key, bytes);
                const text = toBase64(new Uint8Array(sealed));
                const isSent = this.sent.has(form);
                store(name, { user: this.user, at: Date.now(), isSent, isPartial, iv: toBase64(iv), sealed: text });
            }).catch((error) => console.warn("unsaved changes could not be kept:", error.message));
            return this.saving;
        }

        async fieldsOf(name, draft) {
            const opened = { name: "AES-GCM", iv: fromBase64(draft.iv), additionalData: this.about(name) };
            const bytes = await crypto.subtle.decrypt(opened, await this.key, fromBase64(draft.sealed));
            return JSON.parse(new TextDecoder().decode(bytes));
        }

        async restore(form) {
            const name = form.dataset.work;
            const draft = draftOf(name);
            if (!draft) return;
            try {
                const fields = await this.fieldsOf(name, draft);
                if (form.dataset.redraw) await redraw(form, fields, this.token);
                fill(form, fields);
                if (!this.isChanged(form) && !draft.isPartial) return remove(name);
            } catch (error) {
                console.warn("unsaved changes could not be restored:", error.message);
                return;
            }
            this.announce(form, draft);
        }

        /** Show above the page that changes are back, and offer to discard them. */
        announce(form, draft) {
            const at = new Date(draft.at).toLocaleTimeString(undefined, { timeStyle: "short" });
            const kept = this.isChanged(form) ? `Your unsaved changes from ${at} are restored. They are not saved yet.` : "";
            const left = draft.isPartial ? "Passwords, access tokens and pasted texts are not kept: enter them again." : "";
            const notice = document.createElement("div");
            notice.className = "notice restored";
            notice.setAttribute("role", "status");
            const text = document.createElement("span");
            text.textContent = `${kept} ${left}`.trim();
            const button = document.createElement("button");
            button.type = "button";
            button.className = "plain small";
            button.textContent = "Discard these changes";
            button.addEventListener("click", () => {
                this.discard(form).then(() => location.assign(location.pathname + location.search));
            });
            notice.append(text, " ", button);
            document.getElementById("main").prepend(notice);
        }

        discard(form) {
            this.opened.delete(form);
            this.saving = this.saving.then(() => remove(form.dataset.work));
            return this.saving;
        }

        /** Open a form. One that was refused, or is a step of something longer, has changes from the start. */
        open(form, isUnsaved) {
            this.opened.set(form, isUnsaved ? "" : stateOf(form));
            for (const kind of ["input", "change", "htmx:afterSettle"]) form.addEventListener(kind, () => this.keep(form));
            let isKept = false;
            let isWaiting = false;
            form.addEventListener("submit", (event) => {
                if (isKept) return;
                event.preventDefault();
                if (isWaiting) return;
                isWaiting = true;
                this.sent.add(form);
                // Not before this event is over, in which the form cannot be sent once more.
                this.keep(form).then(() => setTimeout(() => {
                    isKept = true;
                    this.mayLeave = true;
                    form.requestSubmit(event.submitter);
                    isKept = isWaiting = false;
                }));
            });
        }

        start() {
            const { answer } = document.body.dataset;
            const wasRedirected = performance.getEntriesByType("navigation")[0]?.redirectCount > 0;
            for (const form of document.querySelectorAll("form[data-work]")) {
                const isRefused = answer === "refused" && draftOf(form.dataset.work)?.isSent;
                this.open(form, isRefused || "unsaved" in form.dataset);
            }
            for (const [name, draft] of allDrafts()) {
                // This page is what became of a form that was sent, unless the form never arrived.
                if (draft.isSent && answer !== "refused" && (answer || wasRedirected)) remove(name);
                else if (draft.isSent) store(name, { ...draft, isSent: false });
            }
            if (!answer) for (const form of this.opened.keys()) this.restore(form);

            window.addEventListener("beforeunload", (event) => {
                if (!this.mayLeave && this.hasChanges) event.preventDefault();
            });
            document.addEventListener("htmx:beforeOnLoad", (event) => {
                // The session has ended: the login leads back here.
                if (event.detail.xhr.status === 401) this.mayLeave = true;
            });
            document.addEventListener("click", (event) => {
                // With a key held down, the link opens elsewhere and this page stays.
                const opensHere = !(event.ctrlKey || event.metaKey || event.shiftKey);
                const link = opensHere && event.target.closest("a[data-discards]");
                const form = link && document.getElementById(link.dataset.discards);
                if (form) this.discard(form);
            });
            document.addEventListener("submit", (event) => {
                if (event.target.matches("form[method=post]:not([data-logout])")) {
                    sessionStorage.setItem(LEFT, JSON.stringify({ at: Date.now(), path: location.pathname + location.search }));
                }
                if (event.target.matches("form[data-logout]")) {
                    window.addEventListener("pagehide", () => {
                        removeAll();
                        channel.postMessage("logged out");
                    });
                }
            });
        }
    }

    // --- the login page ---

    /** Show that work is kept, and lead back to the page whose form was sent too late. */
    const atLogin = (form) => {
        for (const [name, draft] of allDrafts()) store(name, { ...draft, isSent: false });
        document.getElementById("kept").hidden = allDrafts().length === 0;
        const left = JSON.parse(sessionStorage.getItem(LEFT));
        if (left && Date.now() - left.at < LEFT_MS) form.elements.next.value = left.path;
    };

    channel.addEventListener("message", removeAll);
    document.addEventListener("DOMContentLoaded", () => {
        const { user, draftKey } = document.body.dataset;
        tidy(user);
        setInterval(tidy, 60 * 1000, user);
        const login = document.getElementById("login");
        if (login) atLogin(login);
        sessionStorage.removeItem(LEFT);
        if (user) new Work(user, draftKey, JSON.parse(document.body.getAttribute("hx-headers"))["x-csrf-token"]).start();
    });
})();
