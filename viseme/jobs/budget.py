"""Caps: whether a quote may be spent. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..errors import BudgetExceeded
from ..ledger import DaySpend
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


def check_budget(quote: Quote, caps: Caps, vendor: Vendor, spent_today: DaySpend) -> None:
    """Raise BudgetExceeded where the most that a job may cost is over a cap.

    ``spent_today`` is what the earlier jobs of the UTC day at this vendor may have cost. An unknown
    price, of this job or of one of those, counts as over any cap that is set, unless the caps allow
    it.
    """
    if caps.job_usd is not None:
        _check_known(quote, caps.job_cap_name, caps.job_usd, caps)
        if quote.most_usd is not None and quote.most_usd > caps.job_usd:
            raise BudgetExceeded(
                f"This may cost {usd_text(quote.most_usd)}; "
                f"{caps.job_cap_name} is {usd_text(caps.job_usd)}.",
                field=caps.job_cap_name,
                value=usd_text(quote.most_usd),
                limit=usd_text(caps.job_usd),
                remedy="Raise the cap, or choose a shorter clip or another vendor.",
            )
    if caps.vendor_day_usd is not None:
        _check_known(quote, caps.vendor_day_cap_name, caps.vendor_day_usd, caps)
        _check_day(quote, caps.vendor_day_usd, caps, vendor, spent_today)


def _check_known(quote: Quote, name: str, cap: Decimal, caps: Caps) -> None:
    if quote.most_usd is None and not caps.allow_unknown_price:
        reason = (quote.unknown_reason or "").rstrip(".")
        raise BudgetExceeded(
            f"The price is unknown ({reason}), and {name} is {usd_text(cap)}.",
            field=name,
            value="unknown",
            limit=usd_text(cap),
            remedy="Set allow_unknown_price in settings.json, or lift the cap.",
        )


def _check_day(quote: Quote, cap: Decimal, caps: Caps, vendor: Vendor, spent: DaySpend) -> None:
    if quote.most_usd is None:
        return
    if spent.unknown_count and not caps.allow_unknown_price:
        raise BudgetExceeded(
            f"{caps.vendor_day_cap_name} is {usd_text(cap)}, and what was spent today (UTC) at "
            f"{vendor.label} is not known: {spent.unknown_count} of its jobs had no known price.",
            field=caps.vendor_day_cap_name,
            value="unknown",
            limit=usd_text(cap),
            remedy="Wait until 00:00 UTC, set allow_unknown_price in settings.json, or lift the "
            "cap.",
        )
    total = spent.most_usd + quote.most_usd
    if total <= cap:
        return
    so_far = spent.most_usd
    already = f" after {usd_text(so_far)} today (UTC) at {vendor.label}" if so_far else ""
    raise BudgetExceeded(
        f"This may cost {usd_text(quote.most_usd)}{already}; "
        f"{caps.vendor_day_cap_name} is {usd_text(cap)}.",
        field=caps.vendor_day_cap_name,
        value=usd_text(total),
        limit=usd_text(cap),
        remedy="Raise the cap, wait until 00:00 UTC, or choose a shorter clip or another vendor.",
    )
