"""Labels of the kinds of source, for every form that names one."""

from collections.abc import Mapping
from typing import Final

SOURCE_LABELS: Final[Mapping[str, str]] = {
    "attribute": "Event attribute",
    "user_attribute": "User attribute",
    "field": "Event field",
    "product": "Product field",
    "product_attribute": "Product attribute",
    "flag": "Custom flag",
    "static": "Static value",
    "partner_identity": "Partner identity",
    "url_parameter": "URL parameter",
}
