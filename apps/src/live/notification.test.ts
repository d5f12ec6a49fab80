import { describe, expect, it } from "vitest";
import { readNotification } from "./notification";

const frame = (kind: string, total: number, numbers: number[], entries: unknown[] = []) =>
  JSON.stringify({
    resourceType: "Bundle",
    type: "history",
    timestamp: "2026-08-01T09:30:00.250Z",
    entry: [
      {
        resource: {
          resourceType: "Parameters",
          parameter: [
            {
              name: "subscription",
              valueReference: { reference: "https://f.example.org/fhir/Subscription/s1" },
            },
            { name: "status", valueCode: "active" },
            { name: "type", valueCode: kind },
            { name: "events-since-subscription-start", valueString: String(total) },
            ...numbers.map((one) => ({
              name: "notification-event",
              part: [{ name: "event-number", valueString: String(one) }],
            })),
          ],
        },
      },
      ...entries,
    ],
  });

describe("readNotification", () => {
  it("reads events with their numbers and resources", () => {
    const read = readNotification(
      frame("event-notification", 8, [8, 7], [{ resource: { resourceType: "Flag", id: "f" } }]),
    );
    expect(read).toMatchObject({ subscription: "s1", kind: "event", total: 8, numbers: [7, 8] });
    expect(read?.resources[0]?.id).toBe("f");
    expect(read?.sent).toBe(Date.parse("2026-08-01T09:30:00.250Z"));
  });

  it("reads what was deleted", () => {
    const entry = {
      fullUrl: "https://f.example.org/fhir/Flag/f",
      request: { method: "DELETE", url: "Flag/f" },
    };
    expect(readNotification(frame("event-notification", 1, [1], [entry]))?.deleted).toEqual(["Flag/f"]);
  });

  it("tells handshakes and heartbeats apart", () => {
    expect(readNotification(frame("handshake", 0, []))?.kind).toBe("handshake");
    expect(readNotification(frame("heartbeat", 3, []))?.kind).toBe("heartbeat");
  });

  it("takes nothing from anything else", () => {
    expect(readNotification("pong")).toBeUndefined();
    expect(readNotification('{"resourceType":"Bundle","entry":[]}')).toBeUndefined();
  });
});
