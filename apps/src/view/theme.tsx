// Light, dark, or as the device is. Nights are dark.

import { useEffect, useState } from "react";

const KEY = "theme";
const NEXT = { auto: "dark", dark: "light", light: "auto" } as const;
const WORDS = { auto: "Colours: as the device", dark: "Colours: dark", light: "Colours: light" } as const;
type Theme = keyof typeof NEXT;

function kept(): Theme {
  const found = localStorage.getItem(KEY);
  return found === "dark" || found === "light" ? found : "auto";
}

export function ThemeButton(): React.JSX.Element {
  const [theme, setTheme] = useState<Theme>(kept);
  useEffect(() => {
    localStorage.setItem(KEY, theme);
    if (theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  return (
    <button
      type="button"
      onClick={() => setTheme(NEXT[theme])}
      title={WORDS[theme]}
      aria-label={WORDS[theme]}
    >
      <span aria-hidden="true">{theme === "dark" ? "☾" : theme === "light" ? "☀" : "◐"}</span>
    </button>
  );
}
