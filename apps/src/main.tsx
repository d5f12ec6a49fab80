// The entry: signs in or opens what the tab had, then shows the app.

import { createRoot } from "react-dom/client";
import "uplot/dist/uPlot.min.css";
import "./ui/style.css";
import { Door } from "./view/door";

const root = document.getElementById("root");
if (root) createRoot(root).render(<Door />);
