"""What expressions give: one row for each rule of the specification."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fhirserver.fhirpath import Environment, EvaluationError, compile_path
from tests.unit.fhirpath.samples import OBSERVATION, PATIENT, QUESTIONNAIRE

NOW = datetime(2026, 11, 21, 12, 30, 15, 250_000, tzinfo=UTC)
RESOURCES = {"P": PATIENT, "O": OBSERVATION, "Q": QUESTIONNAIRE}


def _evaluate(expression: str, resource: Any = PATIENT) -> list[Any]:
    return compile_path(expression).evaluate(resource, environment=Environment(now=NOW))


TRUE = [
    # equality: nothing where an operand is empty, order counts, digits do not
    "1 = 1",
    "1.10 = 1.1",
    "0 = 0.0",
    "(1 | 2) = (1 | 2)",
    "((1 | 2) = (2 | 1)) = false",
    "('a' = 'A') = false",
    "({} = {}).empty()",
    "(true = {}).empty()",
    "name = name",
    "(name.take(2) = name.take(2).last() | name.take(2).first()) = false",
    "birthDate != @T12:14",
    "(true = 1) = false",
    # equivalence: order, case, white space and precision do not count
    "'a  B' ~ 'A b'",
    "{} ~ {}",
    "(1 ~ {}) = false",
    "(1 | 2 | 3) ~ (3 | 2 | 1)",
    "1.2 / 1.8 ~ 0.67",
    "4 'g' ~ 4040 'mg'",
    "(4 'g' ~ 4600 'mg') = false",
    "1 year ~ 1 'a'",
    "name[0].given ~ name[2].given",
    "(@2012-04-15 ~ @2012-04-15T10:00:00) = false",
    "1 !~ 2",
    # dates
    "@2012-04-15T15:30:31 = @2012-04-15T15:30:31.0",
    "(@2012-04-15 = @2012-04-15T10:00:00).empty()",
    "@2012-04-15T15:00:00+02:00 = @2012-04-15T16:00:00+03:00",
    "(@2012-04-15T15:00:00Z = @2012-04-15T10:00:00).empty()",
    "@2012-04-15T15:00:00Z != @2012-04-17T10:00:00",
    "(@2018-03 > @2018-03-01).empty()",
    "@2018-03 > @2018-02-01",
    "@T10:30 < @T10:31:00",
    "(@T10:30 > @T10:30:00).empty()",
    "(@2018-03-01T10:30:00 > @2018-03-01T10:30:00.0) = false",
    "birthDate < today()",
    "(now() > today()).empty()",
    "birthDate = @1974-12-25",
    "(birthDate = '1974-12-25') = false",
    # order
    "1 < 2.5",
    "'b' > 'a'",
    "({} < 1).empty()",
    "6 days < 1 week",
    "(1 'm' < 1 'kg').empty()",
    # quantities
    "4.0000 'g' = 4000.0 'mg'",
    "7 days = 1 'wk'",
    "(1 year = 1 'a').empty()",
    "12 months = 1 year",
    "2.0 'cm' * 2.0 'm' = 0.040 'm2'",
    "4.0 'g' / 2.0 'm' = 2 'g/m'",
    "1 'm' / 1 'm' = 1 '1'",
    "1 'g' + 500 'mg' = 1.5 'g'",
    "(1 'g' + 1 'm').empty()",
    "3 'mg' * 2 = 6 'mg'",
    "(-5.5 'mg').abs() = 5.5 'mg'",
    # logic with unknowns
    "(true and {}).empty()",
    "({} and false) = false",
    "({} or true) = true",
    "(false or {}).empty()",
    "(true xor {}).empty()",
    "true xor false",
    "false implies {}",
    "({} implies true) = true",
    "({} implies false).empty()",
    "(true implies false) = false",
    "true and 'anything'",
    # membership
    "1 in (1 | 2)",
    "(3 in (1 | 2)) = false",
    "('a' | 'b') contains 'b'",
    "({} in (1 | 2)).empty()",
    "(1 in {}) = false",
    # arithmetic
    "1 + 2 * 3 + 4 = 11",
    "-3 != 3",
    "-name.given.count() = -5",
    "(1 / 0).empty()",
    "(5 div 0).empty()",
    "(5 mod 0).empty()",
    "-7 div 2 = -3",
    "2.2 mod 1.8 = 0.4",
    "1.2 / 1.8 = 0.66666667",
    "0.1 + 0.2 = 0.3",
    "(2147483647 + 1).empty()",
    "'a' + 'b' = 'ab'",
    "('a' + {}).empty()",
    "'a' & {} & 'b' = 'ab'",
    # precedence
    "1 | 1 = 1",
    "1 + 1 is Integer",
    "true or true and false",
    # types
    "1.is(Integer) and 1.is(System.Integer) and 1.is(Decimal).not()",
    "1.0 is Decimal and '1' is String and true is Boolean",
    "@2015T is DateTime and @2015 is Date and @T10 is Time and 1 day is Quantity",
    "active is boolean and active.is(FHIR.boolean) and active.is(Boolean).not()",
    "gender is code and gender is string and gender.is(id).not()",
    "Patient.is(DomainResource) and Patient.is(Resource)",
    "Patient.type().name = 'Patient' and Patient.type().namespace = 'FHIR'",
    "1.type().namespace = 'System' and '1'.type().name = 'String'",
    "contact.is(BackboneElement) and contact.name.is(HumanName)",
    "deceased is boolean and deceased.ofType(dateTime).empty()",
    "(multipleBirth as integer) = 2",
    # variables
    "%ucum = 'http://unitsofmeasure.org' and %sct = 'http://snomed.info/sct'",
    "%`vs-administrative-gender` = 'http://hl7.org/fhir/ValueSet/administrative-gender'",
    "%'ext-a' = 'http://hl7.org/fhir/StructureDefinition/a'",
    "%resource.id = 'ann' and %context.id = 'ann' and %rootResource.id = 'ann'",
    "contained.first().select(%resource.id = 'ann').single()",
    # existence
    "name.exists(use = 'official') and name.exists(use = 'nickname').not()",
    "name.all(given.exists()) and {}.all(false)",
    "name.select(given.exists()).allTrue()",
    "(true | false).anyTrue() and (true | false).anyFalse() and (false | false).allFalse()",
    "name.first().subsetOf($this.name) and name.supersetOf($this.name.first())",
    "(1 | 2 | 2).count() = 2 and 1.combine(1).count() = 2",
    "1.combine(1).isDistinct().not() and 1.combine(1).distinct() = 1",
    "{}.isDistinct() and {}.empty() and {}.exists().not() and {}.count() = 0",
    # subsets
    "(1 | 2 | 3).tail() = (2 | 3) and (1 | 2 | 3).skip(2) = 3 and (1 | 2 | 3).take(2) = (1 | 2)",
    "(1 | 2 | 3).intersect(2 | 4) = 2 and (1 | 2 | 3).exclude(2 | 4) = (1 | 3)",
    "(1 | 2).skip(-1).count() = 2 and (1 | 2).take(-1).empty() and (1 | 2)[5].empty()",
    "name.last().use = 'maiden' and name[1].use = 'usual' and contact.single().exists()",
    "1.union(2.union(3)).count() = 3",
    # conditions and iteration
    "iif(true, true, 1/0) and iif(false, true).empty() and iif({}, 1, 2) = 2",
    "('context').iif($this = 'context', select($this), 'other') = 'context'",
    "(1 | 2 | 3).aggregate($this + $total, 0) = 6",
    "(3 | 1 | 2).aggregate(iif($total.empty() or $this < $total, $this, $total)) = 1",
    "name.select($index) = (0 | 1 | 2)",
    "name.where(given contains 'Annie').use = 'usual'",
    "name.select(use | given).count() = 8",
    "name.given.where(substring($this.length() - 1) = 'e') = 'Annie'",
    # strings
    "'12345'.substring(2, 1) = '3' and '12345'.substring(4) = '5' and '1'.substring(1).empty()",
    "'abc'.indexOf('c') = 2 and 'abc'.indexOf('x') = -1 and 'abc'.indexOf('') = 0",
    "'abcb'.lastIndexOf('b') = 3",
    "'abc'.startsWith('') and 'abc'.endsWith('bc') and 'abc'.contains('b')",
    "{}.startsWith('a').empty() and 'a'.contains({}).empty()",
    "'aB'.upper() = 'AB' and 'aB'.lower() = 'ab' and 'aB'.length() = 2",
    "'abc'.replace('', 'x') = 'xaxbxcx' and '123'.replace('2', '') = '13'",
    "'FHIR'.matches('HI') and 'FHIR'.matches('hi').not() and 'FHIR'.matchesFull('HI').not()",
    "'A\\nB'.matches('A.B')",
    "'abc123'.replaceMatches('[0-9]', '-') = 'abc---' and 'abc'.replaceMatches('', 'x') = 'abc'",
    (
        "'11/30/1972'.replaceMatches('(\\\\d+)/(?P<day>\\\\d+)/(\\\\d+)', '$3-$1-${day}')"
        " = '1972-11-30'"
    ),
    "'t2'.toChars() = ('t' | '2') and ' a '.trim() = 'a'",
    "'a,,c'.split(',').count() = 3 and 'a,,c'.split(',').join('-') = 'a--c'",
    "'subjects?_d'.encode('urlbase64') = 'c3ViamVjdHM_X2Q=' and 'test'.encode('hex') = '74657374'",
    "'dGVzdA=='.decode('base64') = 'test' and '74657374'.decode('hex') = 'test'",
    "'\"1<2\"'.escape('html') = '&quot;1&lt;2&quot;' and '&lt;'.unescape('html') = '<'",
    # numbers
    "(-5).abs() = 5 and (-1.1).ceiling() = -1 and (-2.1).floor() = -3 and (-1.56).truncate() = -1",
    "3.14159.round(3) = 3.142 and 1.round() = 1 and 0.exp() = 1 and 1.ln() = 0",
    "16.log(2) = 4 and 100.0.log(10) = 2 and 81.sqrt() = 9 and (-1).sqrt().empty()",
    "2.power(3) = 8 and 2.5.power(2) = 6.25 and (-1).power(0.5).empty() and 9.power(999).empty()",
    # conversion
    "'1'.toInteger() = 1 and '1.0'.toInteger().empty() and true.toInteger() = 1",
    "'1.50'.toDecimal() = 1.5 and 'x'.toDecimal().empty() and 1.toDecimal() is Decimal",
    "1.0.toString() = '1.0' and true.toString() = 'true' and 1 'wk'.toString() = '1 \\'wk\\''",
    "1 week.toString() = '1 week' and @2014-12-14.toString() = '2014-12-14'",
    "'False'.toBoolean() = false and 2.toBoolean().empty() and 1.0.toBoolean()",
    "'2015-02'.toDate() = @2015-02 and '2015-02-04T14:34Z'.toDateTime() = @2015-02-04T14:34Z",
    "@2015-02-04T14:34:28Z.toDate() = @2015-02-04 and 'T14:30'.toTime() = @T14:30",
    "'1 day'.toQuantity() = 1 day and '1 wk'.toQuantity().empty() and 1.toQuantity() = 1 '1'",
    "1 'g'.toQuantity('mg') = 1000 'mg' and '1 \\'g\\''.convertsToQuantity('m') = false",
    "'a'.convertsToInteger() = false and {}.convertsToInteger().empty()",
    "'2015'.convertsToDate() and '2015-02-30'.convertsToDate().not() and '25'.convertsToTime().not()",
    # moving dates
    "@1973-12-25 + 7.7 days = @1974-01-01",
    "@2014-01-31 + 1 month = @2014-02-28",
    "@2014 + 24 months = @2016 and @2014 + 23 months = @2015",
    "@2019-03-01 + 24 months = @2021-03-01 and @1974-12-25 - 1 'month' = @1974-11-25",
    "@1973-12-25T23:59:59.900+10:00 + 200 milliseconds = @1973-12-26T00:00:00.100+10:00",
    "@1973-12-25T23:30+10:00 + 1 hour = @1973-12-26T00:30+10:00",
    "@T23:00 + 2 hours = @T01:00 and @T01:00:00 - 2 hours = @T23:00:00",
    "@1973-12-25 + 1 'd' = @1973-12-26",
    "(@9999-12-31 + 1 day).empty() and (@0001-01-01 - 1 year).empty()",
    "today() = @2026-11-21 and now() = @2026-11-21T12:30:15.250Z",
    "timeOfDay() = @T12:30:15.250",
    # FHIR
    "birthDate.extension('http://e/time').value = @1974-12-25T14:35:45-05:00",
    "birthDate.id = 'born' and birthDate.hasValue() and birthDate.getValue() = @1974-12-25",
    "name.hasValue().not() and {}.hasValue().not()",
    "extension('http://e/n').value = 1.5",
    "managingOrganization.resolve().name = 'Clinic'",
    "managingOrganization.resolve() is Organization",
    "generalPractitioner.where(resolve() is Practitioner).reference = 'Practitioner/p'",
    "descendants().where($this = 'Contained').exists()",
    "children().count() > 10 and descendants().count() > children().count()",
    "contained.where(id = 'x').name.family = 'Contained'",
    "name.trace('names', given).count() = 3",
]


@pytest.mark.parametrize("expression", TRUE)
def test_true(expression: str) -> None:
    assert _evaluate(expression) == [True]


@pytest.mark.parametrize(
    ("resource", "expression", "found"),
    [
        ("P", "name.given", ["Ann", "Eva", "Annie", "Ann", "Eva"]),
        ("P", "Patient.name.`given`.distinct()", ["Ann", "Eva", "Annie"]),
        ("P", "Observation.status", []),
        ("P", "nothing.at.all", []),
        ("P", "deceased", [False]),
        ("P", "deceasedBoolean", []),
        ("P", "name.family.where($this.startsWith('B'))", ["Berg"]),
        ("P", "extension.value", [Decimal("1.50")]),
        ("P", "telecom.where(rank = 1).value | telecom.use", ["2", "home", "mobile"]),
        ("P", "birthDate + 1 day", ["1974-12-26"]),
        (
            "P",
            "1 'mg'",
            [{"value": 1, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}],
        ),
        ("P", "2 days", [{"value": 2, "unit": "day"}]),
        ("P", "active.type()", [{"namespace": "FHIR", "name": "boolean"}]),
        ("O", "value", [OBSERVATION["valueQuantity"]]),
        ("O", "value.value", [Decimal("80.50")]),
        ("O", "(Observation.value as Quantity).unit", ["kg"]),
        ("O", "value.as(Period).start", []),
        ("O", "value > 80 'kg' and value < 81000 'g'", [True]),
        ("O", "value = 80.5 'kg'", [True]),
        ("O", "value > 5", []),
        ("O", "referenceRange.all(low <= high)", [True]),
        ("O", "effective < issued", [True]),
        ("O", "effective is dateTime and issued is instant", [True]),
        ("O", "component.value.ofType(string)", ["three"]),
        ("Q", "repeat(item).linkId", ["1", "2", "1.1", "1.2", "1.2.1"]),
        ("Q", "descendants().linkId.isDistinct()", [True]),
        ("Q", "item.item.item.linkId", ["1.2.1"]),
        ("Q", "descendants().where(type = 'group').linkId", ["1", "1.2"]),
    ],
)
def test_values(resource: str, expression: str, found: list[Any]) -> None:
    assert _evaluate(expression, RESOURCES[resource]) == found


@pytest.mark.parametrize(
    "expression",
    [
        "name.given.startsWith('A')",
        "name.startsWith('A')",
        "name.single()",
        "(1 | 2) + 1",
        "(1 | 2).not()",
        "1 + 'a'",
        "'a' - 'b'",
        "1 < 'a'",
        "-'a'",
        "-1.convertsToInteger()",
        "@1974-12-25 + 7",
        "@1974-12-25 + 1 'cm'",
        "@1974-12-25 + 1 'mo'",
        "birthDate < @T10:00",
        "(true | 'a').allTrue()",
        "(1 | 2).iif(true, 1)",
        "name[active]",
        "'a'.matches('(')",
        "'a'.matches('(?=a)')",
        "'a'.matches('(a)\\\\1')",
        "'a'.encode('rot13')",
        "'zz'.decode('hex')",
        "'a'.escape('xml')",
        "%unknown",
        "gender.memberOf('http://e/vs')",
        "conformsTo('http://e/p')",
        "'a'.subsumes('a')",
        "name is HumanName",
        "telecom.rank is integer",
        "1.round(99)",
        "'a'.replaceMatches('a', '$1')",
    ],
)
def test_refused_when_it_runs(expression: str) -> None:
    with pytest.raises(EvaluationError):
        _evaluate(expression)


def test_without_the_time_there_is_no_now() -> None:
    for expression in ("now()", "today()", "timeOfDay()"):
        with pytest.raises(EvaluationError, match="no time is given"):
            compile_path(expression).evaluate(PATIENT)
