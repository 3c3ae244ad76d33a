import { type FormEvent, type ReactNode, useEffect, useRef } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { DemoPerson, SignInFault } from "../../store/model.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button, pressable } from "../../ui/Button.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { Logo } from "../../ui/Logo.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useViewModel } from "../context.ts";
import { LanguageChoice } from "../LanguageChoice.tsx";
import styles from "./SignInView.module.css";
import { SignInViewModel } from "./SignInViewModel.ts";

const faults: Record<SignInFault, Word> = {
  wrongPassword: "signin.wrongPassword",
  tooManyTries: "signin.tooManyTries",
  unreachable: "signin.unreachable",
  deactivated: "signin.deactivated",
  insecure: "signin.insecure",
  other: "signin.other",
};

export function SignInView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new SignInViewModel(app));
  const form = useRef<HTMLFormElement>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void model.submit();
  };
  // What was pressed cannot be pressed while it works, and loses the focus; the next try begins in the field.
  useEffect(() => {
    if (!now.busy && now.fault !== undefined) form.current?.querySelector<HTMLElement>("[type=password]")?.focus();
  }, [now.busy, now.fault]);
  return (
    <div className={styles["page"]}>
      <main className={now.demo === undefined ? styles["card"] : `${styles["card"] ?? ""} ${styles["withDemo"] ?? ""}`}>
        <section className={styles["form"]}>
          <header className={styles["brand"]}>
            <Logo size={56} />
            <div>
              <h1>{t("app.name")}</h1>
              <p>{t("app.tagline")}</p>
            </div>
          </header>
          <form ref={form} onSubmit={submit} aria-label={t("signin.title")}>
            <TextField
              label={t("signin.user")}
              name="username"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              value={now.user}
              onChange={(event) => {
                model.typeUser(event.currentTarget.value);
              }}
            />
            <TextField
              label={t("signin.password")}
              name="password"
              type="password"
              autoComplete="current-password"
              value={now.password}
              onChange={(event) => {
                model.typePassword(event.currentTarget.value);
              }}
            />
            <div role="alert">
              {now.fault !== undefined && (
                <p className={styles["fault"]}>
                  <Icon name="alert" size={18} />
                  {t(faults[now.fault])}
                </p>
              )}
              {now.ended && <p className={styles["note"]}>{t("signin.ended")}</p>}
            </div>
            <Button look="main" type="submit" wide disabled={!now.canSubmit}>
              {now.busy && now.chosen === undefined ? t("signin.busy") : t("signin.submit")}
            </Button>
          </form>
          <p className={styles["promise"]}>
            <Icon name="lock" size={18} />
            {t("signin.promise")}
          </p>
          <LanguageChoice
            chosen={now.language}
            onChoose={({ language }) => {
              model.speak(language);
            }}
          />
        </section>
        {now.demo !== undefined && (
          <section className={styles["demo"]} aria-labelledby="demo-title">
            <div className={styles["demoHead"]}>
              <span className={styles["chip"]}>{t("app.demo")}</span>
              <h2 id="demo-title">{t("signin.demoTitle")}</h2>
              <p>{t("signin.demoText", { hospital: now.demo.hospital })}</p>
            </div>
            <ul className={styles["people"]}>
              {now.demo.people.map((person) => (
                <DemoChoice
                  key={person.user}
                  person={person}
                  busy={now.busy}
                  chosen={now.chosen === person.user}
                  onChoose={() => {
                    void model.choose(person);
                  }}
                />
              ))}
            </ul>
          </section>
        )}
      </main>
    </div>
  );
}

interface DemoChoiceProps {
  readonly person: DemoPerson;
  readonly busy: boolean;
  readonly chosen: boolean;
  readonly onChoose: () => void;
}

function DemoChoice({ person, busy, chosen, onChoose }: DemoChoiceProps): ReactNode {
  const { t } = useWords();
  return (
    <li>
      <button type="button" className={styles["person"]} {...pressable({ disabled: busy, onClick: onChoose })}>
        <Avatar id={person.user} name={person.name} />
        <span className={styles["who"]}>
          <strong dir="auto">{person.name}</strong>
          <span dir={chosen ? undefined : "auto"}>{chosen ? t("signin.busy") : [person.role, person.department].filter((part) => part !== "").join(" · ")}</span>
        </span>
      </button>
    </li>
  );
}
