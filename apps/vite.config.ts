import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The app is served below any path (`base` is relative), by our server at /app or by any web server.
export default defineConfig({
  base: "./",
  plugins: [react()],
  define: {
    // fhirclient then takes the browser's own fetch and AbortController, not polyfills.
    FHIRCLIENT_PURE: "true",
  },
  build: {
    target: "es2022",
    sourcemap: false,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { index: "index.html", launch: "launch.html" } },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
