import { type FormEvent, type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { SavedReply } from "../../store/conversation.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { TextArea } from "../../ui/TextArea.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";
import styles from "./forms.module.css";
import { useAsking } from "./useAsking.ts";

/** The texts that somebody sends often: to be put into what is being written, made, changed and deleted. */
export function SavedRepliesDialog({ desk }: { readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const { messages } = useApp().homeserver;
  const replies = useSnapshot(messages.savedReplies());
  const [edited, setEdited] = useState<SavedReply>();
  const { state, ask } = useAsking(() => {
    setEdited(undefined);
  });
  const use = (reply: SavedReply): void => {
    const { text } = desk.composer.snapshot.draft;
    desk.close();
    desk.composer.insert(reply.text, { text, start: text.length, end: text.length });
  };
  return (
    <Dialog title={t("replies.title")} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("replies.title")}</h2>
        <p>{t("replies.text")}</p>
        {edited === undefined ? (
          <>
            <ul className={styles["list"]} aria-label={t("replies.title")}>
              {replies.map((reply) => (
                <li key={reply.id} className={styles["row"]}>
                  <Button
                    wide
                    onClick={() => {
                      use(reply);
                    }}
                  >
                    <bdi>{reply.name}</bdi>
                  </Button>
                  <IconButton
                    icon="edit"
                    label={t("replies.edit", { name: reply.name })}
                    onClick={() => {
                      setEdited(reply);
                    }}
                  />
                  <IconButton
                    icon="trash"
                    label={t("replies.remove", { name: reply.name })}
                    disabled={state === "busy"}
                    onClick={() => {
                      ask(() => messages.saveReplies(replies.filter((one) => one.id !== reply.id)));
                    }}
                  />
                </li>
              ))}
            </ul>
            {state === "failed" && <p role="alert">{t("inbox.failed")}</p>}
            <Button
              icon="plus"
              wide
              onClick={() => {
                setEdited({ id: crypto.randomUUID(), name: "", text: desk.composer.snapshot.draft.text });
              }}
            >
              {t("replies.new")}
            </Button>
          </>
        ) : (
          <Editor
            reply={edited}
            failed={state === "failed"}
            busy={state === "busy"}
            onSave={(reply) => {
              ask(() => messages.saveReplies([...replies.filter((one) => one.id !== reply.id), reply].sort((a, b) => a.name.localeCompare(b.name))));
            }}
            onCancel={() => {
              setEdited(undefined);
            }}
          />
        )}
        <Button wide onClick={desk.close}>
          {t("dialog.close")}
        </Button>
      </div>
    </Dialog>
  );
}

interface EditorProps {
  readonly reply: SavedReply;
  readonly failed: boolean;
  readonly busy: boolean;
  readonly onSave: (reply: SavedReply) => void;
  readonly onCancel: () => void;
}

function Editor({ reply, failed, busy, onSave, onCancel }: EditorProps): ReactNode {
  const { t } = useWords();
  const [name, setName] = useState(reply.name);
  const [text, setText] = useState(reply.text);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onSave({ id: reply.id, name: name.trim(), text: text.trim() });
  };
  return (
    <form className={styles["form"]} onSubmit={submit}>
      <TextField
        label={t("replies.name")}
        dir="auto"
        value={name}
        maxLength={60}
        autoFocus
        onChange={(event) => {
          setName(event.currentTarget.value);
        }}
      />
      <TextArea
        label={t("replies.body")}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
        }}
      />
      {failed && <p role="alert">{t("inbox.failed")}</p>}
      <div className={styles["row"]}>
        <Button look="main" type="submit" disabled={busy || name.trim() === "" || text.trim() === ""}>
          {t("dialog.save")}
        </Button>
        <Button onClick={onCancel}>{t("dialog.cancel")}</Button>
      </div>
    </form>
  );
}
