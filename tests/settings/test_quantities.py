"""Numbers as people write them."""

import pytest

from nni_dna.settings.quantities import parse_quantity


@pytest.mark.parametrize('text, number', [
    ('4.2M', 4_200_000), ('350k', 350_000), ('350K', 350_000), ('1.5G', 1_500_000_000), ('2B', 2_000_000_000),
    ('7m', 7_000_000), ('7g', 7_000_000_000), ('12', 12), ('12.', 12), ('0.5', 0.5), ('1e3', 1000), ('2.5e-1k', 250),
    ('1E6', 1e6), ('  4.2 M ', 4_200_000), ('-3', -3), ('+3k', 3000), (5, 5), (2.5, 2.5), ('0', 0), (0, 0),
    (-1.5, -1.5)])
def test_a_quantity_stands_for_its_number(text, number):
    parsed = parse_quantity(text)
    assert parsed == number and isinstance(parsed, float)


@pytest.mark.parametrize('text, number', [
    ('2.01M', 2_010_000), ('2.03k', 2030), ('4.35M', 4_350_000), ('1.07G', 1_070_000_000), ('2.07M', 2_070_000)])
def test_a_decimal_quantity_is_exact_so_that_a_network_of_just_that_size_is_within_the_limit(text, number):
    assert parse_quantity(text) == number


@pytest.mark.parametrize('value', [
    '', ' ', 'M', 'many', '4,2M', '4.2MM', '4.2 T', '4.2M params', '1_000', '0x10', '.', 'e3', 'nan', 'inf', '-inf',
    '1e999', '4.2%', True, False, None, [], [4], {}, float('nan'), float('inf'), b'4', 1j])
def test_what_is_no_finite_number_is_a_value_error(value):
    with pytest.raises(ValueError):
        parse_quantity(value)
