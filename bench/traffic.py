"""What the benchmarks send: one user's purchases of three products each, as a server SDK posts them."""

import base64
from typing import Any, Final

import msgspec

KEY: Final = "key-of-the-bench"
SECRET: Final = "secret-of-the-bench"
AUTHORIZATION: Final = f"Basic {base64.b64encode(f'{KEY}:{SECRET}'.encode()).decode()}"


def _product(number: int) -> dict[str, Any]:
    return {
        "id": f"SKU-{number:07d}",
        "name": f"Trail Running Shoe {number}",
        "brand": "Northbank",
        "category": "footwear",
        "variant": "blue / 42",
        "price": 89.99 + number % 50,
        "quantity": 1 + number % 3,
        "total_product_amount": 89.99,
    }


def _event(number: int, request: str, now_ms: int) -> dict[str, Any]:
    return {
        "event_type": "commerce_event",
        "data": {
            "timestamp_unixtime_ms": now_ms - 1000 - number,
            "source_message_id": f"ac47946f-{number:04d}-568f-9643-{request}",
            "custom_attributes": {"store": "web", "first_order": "true"},
            "product_action": {
                "action": "purchase",
                "transaction_id": f"order-{number}",
                "affiliation": "Example Shop",
                "total_amount": 187.97,
                "tax_amount": 15.04,
                "shipping_amount": 4.9,
                "coupon_code": "WELCOME5",
                "products": [_product(number * 3 + each) for each in range(3)],
            },
            "currency_code": "USD",
            "custom_flags": {
                "TikTok.URL": f"https://shop.example.com/checkout/thanks?order={number}",
                "TikTok.Referrer": "https://shop.example.com/checkout/pay",
                "TikTok.Callback": "E.C.P.v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH",
            },
        },
    }


def batch_bytes(events: int, *, now_ms: int, request: str = "000000000000") -> bytes:
    """An Events API body; `request` is part of every event's id."""
    return msgspec.json.encode(
        {
            "events": [_event(number, request, now_ms) for number in range(events)],
            "source_request_id": "811a80d1-7933-510c-9a3b-32ed02c00ca3",
            "environment": "production",
            "ip": "203.0.113.42",
            "device_info": {
                "platform": "web",
                "http_header_user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
                " (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            },
            "user_attributes": {"$firstname": "Ann", "$country": "US", "loyalty_tier": "gold"},
            "user_identities": {
                "customerid": "cust-829311",
                "email": "Ann.Shopper@example.com",
                "mobile_number": "+12133734253",
            },
            "consent_state": {"ccpa": {}, "gdpr": {"marketing": {"consented": True, "timestamp_unixtime_ms": 1}}},
        }
    )
