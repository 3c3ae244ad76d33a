import { type FormEvent, type ReactNode, useEffect } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { History, JoinRule, Permission } from "../../store/Rooms.ts";
import { Button } from "../../ui/Button.tsx";
import { Choices } from "../../ui/Choices.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { RoomFace } from "../Face.tsx";
import type { RoomParts } from "./AboutPage.tsx";
import styles from "./PaneView.module.css";
import { historyWords, joinRuleWords, whyNot } from "./words.ts";

const rules: readonly JoinRule[] = ["invite", "knock", "public"];
const histories: readonly History[] = ["shared", "invited", "joined"];

/** What a room is called and who may come in. What somebody may not change is shown with the reason. */
export function SettingsPage(parts: RoomParts): ReactNode {
  const { t } = useWords();
  const { now } = parts;
  return (
    <>
      {now.failed && now.question === undefined && (
        <p className={styles["fault"]} role="alert">
          {t("inbox.failed")}
        </p>
      )}
      <Picture {...parts} />
      <Name {...parts} />
      <Topic {...parts} />
      <Entry {...parts} />
      <Reading {...parts} />
      <Encryption {...parts} />
    </>
  );
}

function Picture({ room, details, now, model }: RoomParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const closed = whyNot(details, "picture", words);
  return (
    <section aria-label={t("settings.picture")} className={styles["picture"]}>
      <RoomFace room={room} name={room.name} size="large" />
      <div className={styles["stack"]}>
        <label className={styles["upload"]} data-disabled={closed !== undefined || now.busy}>
          <Icon name="picture" size={18} />
          <span>{t("settings.pictureChoose")}</span>
          <input
            type="file"
            accept="image/png,image/jpeg,image/webp"
            disabled={closed !== undefined || now.busy}
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              event.currentTarget.value = "";
              if (file !== undefined) void model.setPicture(file);
            }}
          />
        </label>
        {room.picture !== undefined && closed === undefined && (
          <Button look="quiet" disabled={now.busy} onClick={() => void model.setPicture(undefined)}>
            {t("settings.pictureRemove")}
          </Button>
        )}
        {closed !== undefined && <p className={styles["soft"]}>{closed}</p>}
      </div>
    </section>
  );
}

function Name({ details, now, model }: RoomParts): ReactNode {
  const { t } = useWords();
  return (
    <Text
      parts={{ details, now }}
      permission="name"
      label={t("settings.name")}
      kept={details.name}
      typed={now.name}
      onType={model.typeName}
      onSave={model.saveName}
    />
  );
}

function Topic({ details, now, model }: RoomParts): ReactNode {
  const { t } = useWords();
  return (
    <Text
      parts={{ details, now }}
      permission="topic"
      label={t("settings.topic")}
      kept={details.topic}
      typed={now.topic}
      onType={model.typeTopic}
      onSave={model.saveTopic}
    />
  );
}

interface TextParts {
  readonly parts: Pick<RoomParts, "details" | "now">;
  readonly permission: Permission;
  readonly label: string;
  readonly kept: string;
  readonly typed: string | undefined;
  readonly onType: (text: string) => void;
  readonly onSave: () => Promise<void>;
}

function Text({ parts: { details, now }, permission, label, kept, typed, onType, onSave }: TextParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const closed = whyNot(details, permission, words);
  const changed = typed !== undefined && typed.trim() !== kept;
  const save = (event: FormEvent): void => {
    event.preventDefault();
    void onSave();
  };
  return (
    <form className={styles["stack"]} onSubmit={save}>
      <TextField
        label={label}
        hint={closed ?? t("settings.noPatients")}
        dir="auto"
        value={typed ?? kept}
        disabled={closed !== undefined}
        onChange={(event) => {
          onType(event.currentTarget.value);
        }}
      />
      {changed && (
        <Button look="main" type="submit" disabled={now.busy}>
          {t("settings.save")}
        </Button>
      )}
    </form>
  );
}

function Entry({ details, now, model }: RoomParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const closed = whyNot(details, "joinRule", words);
  const { lookListed } = model;
  useEffect(() => {
    void lookListed();
  }, [lookListed]);
  const shown = details.joinRule === "restricted" ? [...rules, details.joinRule] : rules;
  return (
    <section className={styles["stack"]} aria-label={t("settings.join")}>
      <Choices
        label={t("settings.join")}
        value={details.joinRule}
        options={shown.map((value) => ({ value, label: t(joinRuleWords[value][0]), text: t(joinRuleWords[value][1]) }))}
        disabled={closed !== undefined || now.busy}
        {...(closed === undefined ? {} : { hint: closed })}
        onChange={(rule) => void model.setJoinRule(rule)}
      />
      {now.listed !== undefined && (
        <label className={styles["check"]}>
          <input type="checkbox" checked={now.listed} disabled={closed !== undefined || now.busy} onChange={(event) => void model.setListed(event.currentTarget.checked)} />
          <span>{t("settings.listed")}</span>
        </label>
      )}
    </section>
  );
}

function Reading({ details, now, model }: RoomParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const closed = whyNot(details, "history", words);
  const shown = details.history === "world" ? [...histories, details.history] : histories;
  return (
    <Choices
      label={t("settings.history")}
      value={details.history}
      options={shown.map((value) => ({ value, label: t(historyWords[value][0]), text: t(historyWords[value][1]) }))}
      disabled={closed !== undefined || now.busy}
      {...(closed === undefined ? {} : { hint: closed })}
      onChange={(history) => void model.setHistory(history)}
    />
  );
}

function Encryption({ details, model }: RoomParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const closed = whyNot(details, "encrypt", words);
  return (
    <section className={styles["stack"]} aria-labelledby="pane-encryption">
      <h3 id="pane-encryption">{t("settings.encryption")}</h3>
      <p className={styles["sealed"]} data-open={!details.encrypted}>
        <Icon name={details.encrypted ? "lock" : "unlock"} size={18} />
        {t(details.encrypted ? "details.encrypted" : "details.open")}
      </p>
      {!details.encrypted && (
        <Button
          icon="lock"
          disabled={closed !== undefined}
          onClick={() => {
            model.ask({ about: "encrypt" });
          }}
        >
          {t("settings.encrypt")}
        </Button>
      )}
      {!details.encrypted && closed !== undefined && <p className={styles["soft"]}>{closed}</p>}
    </section>
  );
}
