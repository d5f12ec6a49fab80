import { expect, test } from "vitest";
import { cardDocument, cardOf, cardProblems, homeAddress, isFridgeCard, LONGEST } from "./fridge_card";

const CARD = { access: "Schlüssel beim Nachbarn, 2. Stock", notes: "Zwei Hunde 🐕" };

test("a card is read back as it was written, in any script", () => {
  const document = cardDocument("Patient/ann", "Practitioner/nina", CARD, undefined, 0);
  expect(isFridgeCard(document)).toBe(true);
  expect(cardOf(document)).toEqual(CARD);
  expect(document.content.map((one) => one.attachment.title)).toEqual(["access", "notes"]);
});

test("an empty part is left out; what else the document says stays", () => {
  const before = {
    ...cardDocument("Patient/ann", "x", CARD, undefined, 0),
    id: "d",
    description: "At the door",
  };
  const after = cardDocument(
    "Patient/ann",
    "Practitioner/omar",
    { access: "Code 12", notes: " " },
    before,
    1,
  );
  expect(after).toMatchObject({ id: "d", description: "At the door" });
  expect(cardOf(after)).toEqual({ access: "Code 12", notes: "" });
});

test("a card that is superseded is none, and what cannot be read is nothing", () => {
  const document = cardDocument("Patient/ann", "x", CARD, undefined, 0);
  expect(isFridgeCard({ ...document, status: "superseded" })).toBe(false);
  document.content[0]!.attachment.data = "%%%";
  expect(cardOf(document).access).toBe("");
  expect(cardOf(undefined)).toEqual({ access: "", notes: "" });
});

test("an empty and a long card are refused at the field", () => {
  expect(Object.keys(cardProblems({ access: " ", notes: "" }))).toEqual(["access"]);
  expect(Object.keys(cardProblems({ access: "a", notes: "x".repeat(LONGEST + 1) }))).toEqual(["notes"]);
  expect(cardProblems(CARD)).toEqual({});
});

test("the home's address, never an old one", () => {
  expect(
    homeAddress({
      resourceType: "Patient",
      address: [
        { use: "old", text: "Elsewhere" },
        { use: "temp", text: "Holiday" },
        { use: "home", line: ["Main St 1"], city: "Town" },
      ],
    }),
  ).toBe("Main St 1, Town");
  expect(homeAddress({ resourceType: "Patient", address: [{ use: "old", text: "x" }] })).toBeUndefined();
});
