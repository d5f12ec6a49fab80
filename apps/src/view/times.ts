// Times for people, in the viewer's zone and manner.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const SHORT = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** The time of day, with the day where it is not today's. */
export function clockText(time: number): string {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? CLOCK.format(date) : `${DAY.format(date)} ${SHORT.format(date)}`;
}

/** Day and time. */
export function dayText(time: number): string {
  const date = new Date(time);
  return `${DAY.format(date)} ${SHORT.format(date)}`;
}
