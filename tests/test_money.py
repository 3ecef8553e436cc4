"""Money is exact: read as text, multiplied as fractions, rounded by a rule."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.errors import InputError
from viseme.money import charged_usd, parse_usd, times, usd_json, usd_text


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", "1"),
        ("1.00", "1.00"),
        ("$0.25", "0.25"),
        (" 0.25 usd ", "0.25"),
        (3, "3"),
        (Decimal("0.0136"), "0.0136"),
        ("1000000", "1000000"),
        ("0", "0"),
    ],
)
def test_amounts_are_read_as_written(text: str | int | Decimal, amount: str) -> None:
    assert parse_usd(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1e3", "NaN", "inf", "1,00", "0.0000001", "1000000.01", "ten", "1.", "٣", True],
)
def test_what_is_no_amount_is_refused_with_the_field_named(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_usd(text, field="--max-usd")
    assert refused.value.field == "--max-usd"
    assert refused.value.limit is not None
    assert refused.value.remedy is not None


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (0.1, "0.1"),
        (0.0136, "0.0136"),
        ("0.05", "0.05"),
        (1, "1"),
        (0.0000004, "0"),
        (0.0000005, "0.000001"),
        (None, None),
        (True, None),
        (-1, None),
        (float("nan"), None),
        ("free", None),
        ([], None),
    ],
)
def test_a_vendors_amount_is_its_decimal_text_or_nothing(value: object, amount: str | None) -> None:
    assert charged_usd(value) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("price", "quantity", "amount"),
    [
        ("0.04", Fraction(106, 25), "0.1696"),
        ("0.0136", Fraction(10), "0.136"),
        ("0.04", Fraction(1001, 30000), "0.001335"),  # 0.00133466..., rounded up
        ("0.09", 0, "0"),
    ],
)
def test_a_product_is_rounded_up_to_a_millionth(
    price: str, quantity: Fraction | int, amount: str
) -> None:
    assert times(Decimal(price), quantity) == Decimal(amount)


@given(
    st.decimals(min_value=0, max_value=1000, places=4),
    st.fractions(min_value=0, max_value=10**6),
)
def test_a_product_is_never_under_and_never_a_millionth_over(
    price: Decimal, quantity: Fraction
) -> None:
    over = Fraction(times(price, quantity)) - Fraction(price) * quantity
    assert 0 <= over < Fraction(1, 1_000_000)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0.1696", "0.1696"),
        ("0.2", "0.20"),
        ("1E+2", "100.00"),
        ("0", "0.00"),
        ("0.0000011", "0.000001"),
    ],
)
def test_an_amount_is_written_plainly(amount: str, text: str) -> None:
    assert usd_json(Decimal(amount)) == text
    assert usd_text(Decimal(amount)) == f"${text}"


@given(st.decimals(min_value=0, max_value=10**6, places=6))
def test_what_is_written_is_read_back(amount: Decimal) -> None:
    assert parse_usd(usd_json(amount)) == amount
    assert parse_usd(usd_text(amount)) == amount


def test_a_range_names_both_ends_and_a_certain_price_one() -> None:
    assert usd_text(Decimal("0.24"), Decimal("0.45")) == "$0.24 to $0.45"
    assert usd_text(Decimal("0.24"), Decimal("0.240")) == "$0.24"
