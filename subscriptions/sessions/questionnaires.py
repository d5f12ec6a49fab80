"""The questionnaires every tenant has from the start; answers are ordinary QuestionnaireResponses."""

import json
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.evaluation.defaults import version_key

MOOD_AND_SYMPTOMS: Final = "mood-and-symptoms"


def shipped(name: str) -> Json:
    """Return the Questionnaire `name` as this version ships it."""
    text = resources.files("subscriptions.content").joinpath(f"{name}.json").read_text("utf-8")
    found: Any = json.loads(text, parse_float=Decimal)
    return dict(found)


async def ensure(tx: Transaction) -> None:
    """Store the shipped Questionnaire where it is missing or older; a clinic's newer one stays."""
    questionnaire = shipped(MOOD_AND_SYMPTOMS)
    stored = await tx.get("Questionnaire", MOOD_AND_SYMPTOMS)
    if stored is None or version_key(stored.get("version")) < version_key(questionnaire["version"]):
        await tx.put(questionnaire, id_=MOOD_AND_SYMPTOMS)
