"""MDM^T02 as DocumentReference."""

import base64

from tests.unit.adapters.hl7v2.maps.mapped_by_site import PID, interpreted, resources

TXA = "TXA|1|DS^Discharge summary|TX||20260801090000+0000|20260801090000+0000|||77^House^Greg|||D-1^EHR||||letter.txt|LA||AV"


def test_lines_of_text_are_one_attachment() -> None:
    lines = ("OBX|1|TX|18842-5^Summary^LN||First line||||||F", "OBX|2|TX|18842-5^Summary^LN||Zweite: Größe||||||F")  # fmt: skip
    made = resources("MDM^T02", PID, TXA, *lines)["document"]
    attachment = made["content"][0]["attachment"]
    assert base64.b64decode(attachment["data"]).decode() == "First line\nZweite: Größe"
    assert attachment["contentType"] == "text/plain; charset=utf-8"
    assert {key: made[key] for key in ("status", "docStatus", "date", "description")} == {
        "status": "current",
        "docStatus": "final",
        "date": "2026-08-01T09:00:00+00:00",
        "description": "letter.txt",
    }
    assert made["masterIdentifier"]["value"] == "D-1"
    assert made["type"]["coding"][0]["code"] == "DS"
    assert made["author"][0]["display"] == "Greg House"


def test_encapsulated_data_keeps_its_bytes_and_its_type() -> None:
    obx = "OBX|1|ED|18842-5^Summary^LN||^AP^PDF^Base64^JVBERg==||||||F"
    made = resources("MDM^T02", PID, TXA, obx)["document"]
    assert made["content"] == [
        {
            "attachment": {
                "contentType": "application/pdf",
                "data": "JVBERg==",
                "creation": "2026-08-01T09:00:00+00:00",
            }
        }
    ]


def test_a_document_without_content_is_told_of() -> None:
    found = interpreted("MDM^T02", PID, TXA)
    assert "no DocumentReference: content is missing" in found.report.unread
