import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import "../styles/base.css";
import "../styles/tokens.css";
import { stories } from "./stories.tsx";
import styles from "./stories.module.css";

// /stories.html?theme=light|dark&contrast=more&text=200&dir=rtl&story=Menu

const query = new URLSearchParams(location.search);
const { documentElement: page } = document;
page.dataset["theme"] = query.get("theme") ?? "light";
page.dataset["contrast"] = query.get("contrast") ?? "normal";
page.dataset["text"] = query.get("text") ?? "100";
page.dir = query.get("dir") ?? "ltr";
const only = query.get("story");

const root = document.getElementById("root");
if (root === null) throw new Error("stories.html has no #root");
createRoot(root).render(
  <StrictMode>
    <main className={styles["page"]}>
      <h1>Components</h1>
      {Object.entries(stories)
        .filter(([name]) => only === null || name === only)
        .map(([name, Story]) => (
          <section key={name} className={styles["story"]} aria-labelledby={`story-${name}`}>
            <h2 id={`story-${name}`}>{name}</h2>
            <Story />
          </section>
        ))}
    </main>
  </StrictMode>,
);
