"""A sample shop whose visitors do what real ones do, wrong flags and missing identities included.

Every address is at example.com or in ranges that are reserved for documentation.
"""

import random
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec import Struct

URL: Final = "https://shop.example.com"
_USER_AGENTS: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"
    " Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari",
)


class Product(NamedTuple):
    """A product with mParticle's names for its members."""

    id: str
    name: str
    category: str
    brand: str
    price: float


PRODUCTS: Final = (
    Product("SKU-1077218", "Trail Running Shoe", "footwear", "Northbank", 89.99),
    Product("SKU-2219", "Merino Sock 3-pack", "apparel", "Northbank", 24.5),
    Product("SKU-3310", "Rain Jacket", "apparel", "Fjellkind", 149.0),
    Product("SKU-4485", "Head Torch", "equipment", "Lumen", 39.95),
    Product("SKU-5120", "Energy Bar", "food", "Oatly & Sons", 2.4),
    Product("SKU-6001", "Water Bottle", "equipment", "Fjellkind", 18.0),
)
_SEARCHES: Final = ("trail shoes", "rain jacket", "wool socks", "head torch", "gift card")


class Visitor(Struct, frozen=True):
    """A visitor of the shop. `identities` are empty for one who never gave any; `environment` is mParticle's."""

    identities: dict[str, str]
    ip: str
    user_agent: str
    mpid: str
    click_id: str | None
    environment: str


class Action(Struct, frozen=True):
    """One thing a visitor does: members of an event as mParticle's outputs write them."""

    event_type: str
    data: dict[str, Any]


class Shop:
    """An endless stream of visitors and their actions; the same seed gives the same stream but for times and ids."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._orders = 0

    def visit(self) -> tuple[Visitor, list[Action]]:
        """Return a visitor with one to four actions, ready to be a batch."""
        visitor = self._visitor()
        return visitor, [self._action(visitor) for _ in range(self._random.randint(1, 4))]

    def _visitor(self) -> Visitor:
        number = self._random.randrange(5000)
        identities: dict[str, str] = {}
        # One in eight stays anonymous; the others log in or leave at least a phone number.
        if self._random.random() < 7 / 8:
            identities = {"customer_id": f"cust-{number:06d}", "email": f"Visitor.{number}@example.com"}
        if self._random.random() < 1 / 3:
            identities["mobile_number"] = f"+1 (415) 555-{number % 100 + 100:04d}"
        clicked = self._random.random() < 1 / 2
        return Visitor(
            identities=identities,
            ip=f"203.0.113.{number % 250 + 1}",
            user_agent=self._random.choice(_USER_AGENTS),
            mpid=str(self._random.getrandbits(62)),
            click_id=f"E.C.P.{self._random.getrandbits(160):040x}" if clicked else None,
            # Sometimes the visitor is one of the shop's own developers, testing the site.
            environment="development" if self._random.random() < 1 / 20 else "production",
        )

    def _action(self, visitor: Visitor) -> Action:
        kinds: dict[Callable[[], Action], int] = {
            self._view: 30,
            self._add_to_cart: 20,
            self._checkout: 12,
            self._purchase: 12,
            self._search: 14,
            self._add_to_wishlist: 4,
            self._refund: 3,
            self._newsletter: 3,
        }
        (kind,) = self._random.choices(list(kinds), weights=list(kinds.values()))
        action = kind()
        action.data["custom_flags"] = self._flags(visitor)
        action.data["timestamp_unixtime_ms"] = time.time_ns() // 1_000_000 - self._random.randrange(5000)
        action.data["source_message_id"] = str(uuid.UUID(int=self._random.getrandbits(128)))
        return action

    def _flags(self, visitor: Visitor) -> dict[str, str]:
        """Return flags as a site sets them: sometimes without the page or its scheme, or with an unfilled macro."""
        page = f"{URL}/{self._random.choice(('shoes', 'sale', 'cart', 'thanks'))}?ref={self._random.randrange(1000)}"
        flags = {"TikTok.URL": page, "TikTok.Referrer": URL}
        if visitor.click_id is not None:
            flags["TikTok.Callback"] = visitor.click_id
        slip = self._random.random()
        if slip < 0.02:
            del flags["TikTok.URL"]
        elif slip < 0.04:
            flags["TikTok.URL"] = page.removeprefix("https://")
        elif slip < 0.06:
            flags["TikTok.Callback"] = "__CLICKID__"
        return flags

    def _products(self, most: int) -> list[dict[str, Any]]:
        chosen = self._random.sample(PRODUCTS, self._random.randint(1, most))
        return [self._bought(product) for product in chosen]

    def _bought(self, product: Product) -> dict[str, Any]:
        quantity = self._random.choice((1, 1, 1, 2, 3))
        total = round(product.price * quantity, 2)
        return {**product._asdict(), "quantity": quantity, "total_product_amount": total}

    def _commerce(self, action: str, most_products: int, **members: Any) -> Action:
        products = self._products(most_products)
        product_action = {"action": action, "products": products, **members}
        if action in ("purchase", "checkout", "refund"):
            product_action["total_amount"] = round(sum(product["total_product_amount"] for product in products), 2)
        return Action("commerce_event", {"product_action": product_action, "currency_code": "USD"})

    def _view(self) -> Action:
        return self._commerce("view_detail", 1)

    def _add_to_cart(self) -> Action:
        return self._commerce("add_to_cart", 1)

    def _add_to_wishlist(self) -> Action:
        return self._commerce("add_to_wishlist", 1)

    def _checkout(self) -> Action:
        return self._commerce("checkout", 3, checkout_step=1)

    def _purchase(self) -> Action:
        self._orders += 1
        return self._commerce("purchase", 3, transaction_id=f"order-{self._orders:06d}", tax_amount=4.2)

    def _refund(self) -> Action:
        return self._commerce("refund", 1, transaction_id=f"order-{self._orders:06d}")

    def _search(self) -> Action:
        attributes = {"term": self._random.choice(_SEARCHES), "results": str(self._random.randrange(40))}
        name = {"event_name": "Site Search", "custom_event_type": "search"}
        return Action("custom_event", {**name, "custom_attributes": attributes})

    def _newsletter(self) -> Action:
        return Action("custom_event", {"event_name": "Newsletter Signup", "custom_event_type": "other"})
