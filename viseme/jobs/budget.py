"""Caps: whether a quote may be spent. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..errors import BudgetExceeded
from ..model import Quote, Vendor
from ..money import usd_text


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits in US dollars; None is no limit. ``job_cap_name`` is where the job's cap was set."""

    job_usd: Decimal | None = None
    job_cap_name: str = "max_usd_per_job"
    vendor_day_usd: Decimal | None = None
    vendor_day_cap_name: str = "max_usd_per_vendor_day"
    allow_unknown_price: bool = False


def check_budget(quote: Quote, caps: Caps, vendor: Vendor, spent_today_usd: Decimal) -> None:
    """Raise BudgetExceeded where the most that a job may cost is over a cap.

    An unknown price counts as over any cap that is set, unless the caps allow it.
    ``spent_today_usd`` is the most that today's earlier jobs at this vendor may have cost.
    """
    for name, cap, spent in (
        (caps.job_cap_name, caps.job_usd, Decimal(0)),
        (caps.vendor_day_cap_name, caps.vendor_day_usd, spent_today_usd),
    ):
        if cap is None:
            continue
        if quote.most_usd is None:
            if caps.allow_unknown_price:
                continue
            reason = (quote.unknown_reason or "").rstrip(".")
            raise BudgetExceeded(
                f"The price is unknown ({reason}), and {name} is {usd_text(cap)}.",
                field=name,
                value="unknown",
                limit=usd_text(cap),
                remedy="Set allow_unknown_price in settings.json, or lift the cap.",
            )
        total = spent + quote.most_usd
        if total > cap:
            already = f" after {usd_text(spent)} today at {vendor.label}" if spent else ""
            raise BudgetExceeded(
                f"This may cost {usd_text(quote.most_usd)}{already}; {name} is {usd_text(cap)}.",
                field=name,
                value=usd_text(total),
                limit=usd_text(cap),
                remedy="Raise the cap, or choose a shorter clip or another vendor.",
            )
