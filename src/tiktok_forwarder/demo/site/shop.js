// The demo shop's own script: a cart, a consent banner, and what it sends with tiktokForwarder.
const { console: consoleUrl, connection, tiktokEvents } = document.body.dataset;
const tiktokEventOf = JSON.parse(tiktokEvents);
const cart = [];
const element = (id) => document.getElementById(id);

// A shop remembers the visitor's choice; the forwarder's script does not, so each page passes it on.
function applyChoice(choice) {
  element("banner").hidden = choice !== null;
  if (choice === "allow") window.tiktokForwarder?.consent();
  if (choice === "decline") window.tiktokForwarder?.consent(false);
  element("cookie").textContent = document.cookie.match(/(?:^|; )ttclid=([^;]*)/)?.[1] ?? "none";
}

function choose(choice) {
  sessionStorage.setItem("consent", choice);
  applyChoice(choice);
}

// A blocked script must not stop the shop, hence the question mark.
function track(action, details) {
  const email = element("email").value;
  window.tiktokForwarder?.set({ user_identities: email ? { email } : {} });
  const eventId = window.tiktokForwarder?.track(action, { currency_code: "USD", ...details });
  // A shop with TikTok's pixel passes the same ID: ttq.track("PlaceAnOrder", {…}, { event_id: eventId })
  showEvent(action, eventId);
}

function showEvent(action, eventId) {
  const row = element("events").tBodies[0].insertRow(0);
  row.insertCell().textContent = action;
  const cell = row.insertCell();
  if (eventId) {
    const link = document.createElement("a");
    link.href = `${consoleUrl}/activity/${connection}/${tiktokEventOf[action]}/${encodeURIComponent(eventId)}`;
    link.target = "_blank";
    link.textContent = eventId;
    cell.append(link);
  } else {
    cell.textContent = "not sent: consent is missing";
  }
  element("events").hidden = false;
  element("nothing").hidden = true;
}

function showCart() {
  const total = cartTotal();
  const names = cart.map(({ name }) => name).join(", ");
  element("contents").textContent = cart.length ? `${names}: $${total.toFixed(2)}` : "Your cart is empty.";
  element("buy").disabled = cart.length === 0;
}

function cartTotal() {
  return Math.round(cart.reduce((sum, { price }) => sum + price, 0) * 100) / 100;
}

for (const button of document.querySelectorAll("[data-product]")) {
  button.addEventListener("click", () => {
    const product = JSON.parse(button.dataset.product);
    if (button.dataset.action === "add_to_cart") cart.push(product);
    track(button.dataset.action, { products: [{ ...product, quantity: 1 }] });
    showCart();
  });
}

element("buy").addEventListener("click", () => {
  track("purchase", {
    transaction_id: `order-${Date.now()}`,
    total_amount: cartTotal(),
    products: cart.map((product) => ({ ...product, quantity: 1 })),
  });
  cart.length = 0;
  showCart();
  element("contents").textContent = "Thank you for your order.";
});

element("allow").addEventListener("click", () => choose("allow"));
element("decline").addEventListener("click", () => choose("decline"));
applyChoice(sessionStorage.getItem("consent"));
