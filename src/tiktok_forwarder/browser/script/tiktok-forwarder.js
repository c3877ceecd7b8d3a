// Sends a site's events to its tiktok-forwarder. There is no build step: this is the source.
// <script defer src="https://events.example.com/tiktok-forwarder.js" data-key="KEY" data-store="no"></script>
// With data-store="no", nothing is stored or sent until the page calls tiktokForwarder.consent().
(() => {
  const { key, service, store, domain } = document.currentScript.dataset;
  const url = `${service || new URL(document.currentScript.src).origin}/v3/JS/${key}/events`;
  const productAction =
    /^(add_to_(cart|wishlist)|remove_from_(cart|wish_list)|checkout(_option)?|click|purchase|refund|view_detail)$/;
  const landingClickId = new URLSearchParams(location.search).get("ttclid");
  let hasConsent = store !== "no";
  let batchMembers = {};

  // A sandboxed frame has no cookies: using them throws.
  const useCookies = (change) => {
    try {
      if (change) document.cookie = change;
      return document.cookie;
    } catch {
      return "";
    }
  };

  const readCookie = (name) => {
    const found = useCookies().split("; ").find((cookie) => cookie.startsWith(`${name}=`));
    return found?.slice(name.length + 1);
  };

  const writeClickId = (value, days) =>
    useCookies(
      `ttclid=${value}; path=/; max-age=${days * 86400}; samesite=lax` +
        (domain ? `; domain=${domain}` : "") +
        (location.protocol === "https:" ? "; secure" : "")
    );

  // Safari shortens the life of a cookie that a script writes, so one that the site's server has set stays.
  const keepClickId = () => {
    if (landingClickId && !/[;\s]/.test(landingClickId) && landingClickId !== readCookie("ttclid"))
      writeClickId(landingClickId, 30);
  };

  // crypto.randomUUID is missing on pages without TLS.
  const randomId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

  // keepalive lets a request outlive its page; browsers refuse it above 64 KiB. A body of text needs no preflight.
  const send = (body, attempt) =>
    fetch(url, { method: "POST", body, keepalive: body.length < 2e4, credentials: "omit" })
      .then(({ status }) => status === 429 || status > 499)
      .catch(() => true)
      .then((shouldRetry) => {
        if (shouldRetry && attempt < 5 && hasConsent)
          setTimeout(send, 2000 * 2 ** attempt * (1 + Math.random()), body, attempt + 1);
      });

  window.tiktokForwarder = {
    // Allows storing and sending, or ends both: consent(false).
    consent(isGiven = true) {
      hasConsent = isGiven;
      if (isGiven) keepClickId();
      else writeClickId("", 0);
    },

    // Sets members of mParticle's batch for later events, such as user_identities.
    set(members) {
      batchMembers = { ...batchMembers, ...members };
    },

    // Sends an event and returns its ID. `details` are the members of mParticle's product action that `name` is,
    // or the attributes of the custom event of that name; `data` are other members of the event's data.
    track(name, details = {}, data = {}) {
      if (!hasConsent) return;
      const isCommerce = productAction.test(name);
      const order = name === "purchase" && details.transaction_id;
      const source_message_id = String(data.source_message_id || order || randomId());
      const kind = isCommerce
        ? { product_action: { ...details, action: name } }
        : { event_name: name, custom_event_type: "other", custom_attributes: details };
      const custom_flags = {
        "TikTok.URL": location.href,
        "TikTok.Referrer": document.referrer,
        "TikTok.Callback": landingClickId || readCookie("ttclid"),
        ...data.custom_flags,
      };
      const batch = {
        device_info: { platform: "web" },
        partner_identities: { tiktok_cookie_id: readCookie("_ttp") },
        ...batchMembers,
        // Without a time: the service's clock is right more often than a visitor's.
        events: [
          {
            event_type: isCommerce ? "commerce_event" : "custom_event",
            data: { ...kind, ...data, source_message_id, custom_flags },
          },
        ],
      };
      send(JSON.stringify(batch), 0);
      return source_message_id;
    },
  };

  if (hasConsent) keepClickId();
})();
