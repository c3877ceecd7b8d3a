// Reads the pixel's requests from a HAR file or from what was copied in the browser's network tab, in this page.
// A HAR has cookies, tokens and personal data of everything the browser did: only pixel ID, event name, event ID and
// time of TikTok's requests are put into the form that is sent.
//
// TikTok does not document its pixel's requests. Recognized are bodies in the shapes of the TikTok Events API 1.0 and
// 2.0, and such with the pixel's ID in context.pixel.code, as the pixel's requests have been seen.
(() => {
    "use strict";

    const MAX_BYTES = 50 * 1024 * 1024;
    const MAX_EVENTS = 500;
    const LONGEST = 200;
    const PIXEL_ID = /^[A-Za-z0-9]{1,64}$/;
    // Names that sites choose for events have letters, digits and simple signs.
    const NAME = /^[\p{L}\p{N} _.:/-]{1,100}$/u;
    const PERSONAL = /@|%40/i;

    /**
     * @typedef {{pixel_id: string, event: string, event_id: string, at_ms: number | null}} PixelEvent
     * @typedef {{url: string, body: string, at: string}} SentRequest a request as it was copied; without a URL, a body
     * @typedef {{events: PixelEvent[], requests: number, unread: number, personal: number}} Found
     */

    // --- requests in what was pasted ---

    /** @type {(url: string) => boolean} */
    const isTikToks = (url) => {
        try {
            const { hostname } = new URL(url);
            return hostname === "tiktok.com" || hostname.endsWith(".tiktok.com");
        } catch {
            return false;
        }
    };

    /** @type {(text: string) => any} the value, or undefined if the text is not JSON */
    const json = (text) => {
        try {
            return JSON.parse(text);
        } catch {
            return undefined;
        }
    };

    /** @type {(har: any) => SentRequest[]} */
    const requestsOfHar = (har) =>
        har.log.entries.map((entry) => ({
            url: String(entry.request?.url ?? ""),
            body: String(entry.request?.postData?.text ?? ""),
            at: String(entry.startedDateTime ?? ""),
        }));

    /** The text of a shell's word in single quotes, with or without a dollar sign in front. */
    const unquoted = (word) => {
        if (!word.startsWith("$")) return word.slice(1, -1).replaceAll("'\\''", "'");
        const inner = word.slice(2, -1);
        return inner.replace(/\\(u[0-9a-fA-F]{4}|.)/gs, (_, sign) => {
            if (sign[0] === "u") return String.fromCharCode(parseInt(sign.slice(1), 16));
            return { n: "\n", r: "\r", t: "\t" }[sign] ?? sign;
        });
    };
    const WORD = String.raw`\$?'(?:[^'\\]|\\.|'\\'')*'`;
    const CURL = /(?:^|[;&\n]\s*)curl\s/;

    /** @type {(text: string) => SentRequest[]} from Copy as cURL (bash) */
    const requestsOfCurl = (text) =>
        text.split(CURL).slice(1).map((command) => {
            const url = command.match(new RegExp(`^\\s*(${WORD})`))?.[1] ?? "";
            const body = command.match(new RegExp(`--data(?:-raw|-binary)?\\s+(${WORD})`))?.[1] ?? "";
            return { url: url && unquoted(url), body: body && unquoted(body), at: "" };
        });

    const TEXT = String.raw`"(?:[^"\\]|\\.)*"`;

    /** @type {(text: string) => SentRequest[]} from Copy as fetch */
    const requestsOfFetch = (text) =>
        text.split(/\bfetch\(/).slice(1).map((call) => {
            const url = json(call.match(new RegExp(`^\\s*(${TEXT})`))?.[1] ?? "");
            const body = json(call.match(new RegExp(`"body":\\s*(${TEXT})`))?.[1] ?? "");
            return { url: String(url ?? ""), body: String(body ?? ""), at: "" };
        });

    /** @type {(text: string) => SentRequest[]} */
    const requestsOf = (text) => {
        const value = json(text);
        if (Array.isArray(value?.log?.entries)) return requestsOfHar(value).filter(({ url }) => isTikToks(url));
        if (value !== undefined) return [{ url: "", body: text, at: "" }];
        const copied = CURL.test(text) ? requestsOfCurl(text) : requestsOfFetch(text);
        if (copied.length) return copied.filter(({ url }) => isTikToks(url));
        return text.split("\n").filter((line) => json(line) !== undefined).map((line) => ({ url: "", body: line, at: "" }));
    };

    // --- events in a request ---

    /** @type {(value: any) => number | null} milliseconds, of seconds, milliseconds or ISO 8601 */
    const timeOf = (value) => {
        if (value === undefined || value === null || value === "") return null;
        const number = Number(value);
        const at = Number.isFinite(number) ? (number < 1e11 ? number * 1000 : number) : Date.parse(value);
        return Number.isFinite(at) && at > 0 ? Math.round(at) : null;
    };

    /** @type {(event: any, pixelId: any, at: string) => PixelEvent | null} */
    const eventOf = (event, pixelId, at) => {
        const code = event?.context?.pixel?.code ?? event?.pixel_code ?? pixelId;
        if (typeof event?.event !== "string" || !NAME.test(event.event) || !PIXEL_ID.test(String(code ?? ""))) return null;
        const eventId = ["string", "number"].includes(typeof event.event_id) ? String(event.event_id) : "";
        if (eventId.length > LONGEST) return null;
        const atMs = timeOf(event.event_time) ?? timeOf(event.timestamp) ?? timeOf(at);
        return { pixel_id: String(code), event: event.event, event_id: eventId, at_ms: atMs };
    };

    /** @type {(body: any, at: string) => Array<PixelEvent | null>} */
    const eventsOfBody = (body, at) => {
        if (Array.isArray(body)) return body.flatMap((each) => eventsOfBody(each, at));
        if (Array.isArray(body?.batch)) return body.batch.map((each) => eventOf(each, body.pixel_code, at));
        if (Array.isArray(body?.data)) return body.data.map((each) => eventOf(each, body.event_source_id, at));
        return [eventOf(body, body?.pixel_code, at)];
    };

    /** @type {(text: string) => Found} every event once */
    const found = (text) => {
        const requests = requestsOf(text);
        const read = requests.map(({ body, at }) => eventsOfBody(json(body), at).filter(Boolean));
        const all = read.flat();
        const safe = all.filter(({ event, event_id: id }) => !PERSONAL.test(event) && !PERSONAL.test(id));
        const events = [...new Map(safe.map((each) => [JSON.stringify([each.pixel_id, each.event, each.event_id]), each])).values()];
        return {
            events,
            requests: requests.length,
            unread: read.filter((each) => each.length === 0).length,
            personal: all.length - safe.length,
        };
    };

    // --- the page ---

    const counted = (count, noun) => `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;

    /** @type {(result: Found) => string} */
    const summaryOf = ({ events, requests, unread, personal }) => {
        if (!requests) return "No request to tiktok.com was found. Record the page's network traffic from before the page is opened.";
        const sentences = [`${counted(events.length, "event")} in ${counted(requests, "request")} to TikTok.`];
        if (unread) sentences.push(`${counted(unread, "request")} had no event that this page can read.`);
        if (personal) sentences.push(`${counted(personal, "event")} with an email address in the ID or name left out.`);
        if (events.length > MAX_EVENTS) sentences.push(`The first ${MAX_EVENTS} are compared.`);
        return sentences.join(" ");
    };

    document.addEventListener("DOMContentLoaded", () => {
        const byId = (id) => document.getElementById(id);
        const [file, pasted, summary, form, list] = ["har", "pasted", "read", "compare", "leaves"].map(byId);

        const show = (text) => {
            const result = found(text);
            const events = result.events.slice(0, MAX_EVENTS);
            summary.textContent = summaryOf(result);
            form.elements.events.value = JSON.stringify(events);
            list.textContent = events.map((each) => JSON.stringify(each)).join("\n");
            form.hidden = events.length === 0;
        };

        const refuse = (bytes) => {
            summary.textContent = `This has ${Math.ceil(bytes / 1024 / 1024)} MB, and at most 50 MB are read. Record fewer pages, or filter the network tab by tiktok.com and export again.`;
            form.hidden = true;
        };

        file.addEventListener("change", async () => {
            const [chosen] = file.files;
            if (!chosen) return;
            if (chosen.size > MAX_BYTES) return refuse(chosen.size);
            pasted.value = "";
            show(await chosen.text());
        });
        pasted.addEventListener("input", () => {
            file.value = "";
            if (pasted.value.length > MAX_BYTES) return refuse(pasted.value.length);
            if (pasted.value.trim()) show(pasted.value);
        });
    });
})();
