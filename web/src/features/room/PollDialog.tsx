import { type FormEvent, type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import type { Desk } from "./Desk.ts";
import styles from "./forms.module.css";
import { PriorityMark } from "./PriorityView.tsx";
import { useAsking } from "./useAsking.ts";

/** MSC3381 knows no more. */
const mostAnswers = 20;

/** Asks the room a question. */
export function PollDialog({ desk }: { readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const [question, setQuestion] = useState("");
  const [answers, setAnswers] = useState<readonly string[]>(["", ""]);
  const [open, setOpen] = useState(true);
  const [several, setSeveral] = useState(false);
  const { state, ask } = useAsking(desk.close);
  const { priority } = useSnapshot(desk.composer).draft;
  const filled = answers.map((answer) => answer.trim()).filter((answer) => answer !== "");
  const ready = question.trim() !== "" && filled.length >= 2;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (ready) ask(() => desk.composer.sendPoll(question.trim(), filled, open, several ? filled.length : 1));
  };
  return (
    <Dialog title={t("poll.make")} onClose={desk.close}>
      <form className={styles["form"]} onSubmit={submit}>
        <h2>{t("poll.make")}</h2>
        {priority !== undefined && <PriorityMark priority={priority} />}
        <TextField
          label={t("poll.question")}
          dir="auto"
          value={question}
          maxLength={300}
          autoFocus
          onChange={(event) => {
            setQuestion(event.currentTarget.value);
          }}
        />
        {answers.map((answer, i) => (
          <div key={i} className={styles["row"]}>
            <TextField
              label={t("poll.answer", { number: i + 1 })}
              dir="auto"
              value={answer}
              maxLength={300}
              onChange={(event) => {
                const { value } = event.currentTarget;
                setAnswers(answers.map((one, at) => (at === i ? value : one)));
              }}
            />
            {answers.length > 2 && (
              <IconButton
                icon="close"
                label={t("poll.removeAnswer", { number: i + 1 })}
                onClick={() => {
                  setAnswers(answers.filter((_, at) => at !== i));
                }}
              />
            )}
          </div>
        ))}
        {answers.length < mostAnswers && (
          <Button
            look="quiet"
            icon="plus"
            onClick={() => {
              setAnswers([...answers, ""]);
            }}
          >
            {t("poll.addAnswer")}
          </Button>
        )}
        <Check label={t("poll.several")} checked={several} onChange={setSeveral} />
        <Check label={t("poll.open")} checked={open} onChange={setOpen} />
        {state === "failed" && <p role="alert">{t("inbox.failed")}</p>}
        <Button look="main" wide type="submit" disabled={!ready || state === "busy"}>
          {t("poll.send")}
        </Button>
        <Button wide onClick={desk.close}>
          {t("dialog.cancel")}
        </Button>
      </form>
    </Dialog>
  );
}

function Check({ label, checked, onChange }: { readonly label: string; readonly checked: boolean; readonly onChange: (checked: boolean) => void }): ReactNode {
  return (
    <label className={styles["choice"]}>
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => {
          onChange(event.currentTarget.checked);
        }}
      />
      {label}
    </label>
  );
}
