import { type ReactNode, useState } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { Member, RoomDetails } from "../../store/Rooms.ts";
import { hindrance, isLastOwner, roleLevels, roleOf, rolesFor, type GivenRole } from "../../store/roles.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Select } from "../../ui/Select.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { presenceWords, PersonFace, usePresence } from "../Face.tsx";
import { IdentityMark } from "../trust/IdentityView.tsx";
import styles from "./PaneView.module.css";
import type { PageParts } from "./PaneView.tsx";
import type { Question } from "./PaneViewModel.ts";
import { roleWords, whyNot } from "./words.ts";

/** The windows of the pane: somebody in the room, and what is asked again before it is done. */
export function Questions({ now, model }: PageParts): ReactNode {
  const { question, details } = now;
  if (question === undefined || details === undefined) return null;
  switch (question.about) {
    case "person":
      return <PersonWindow details={details} member={question.member} now={now} model={model} />;
    case "role":
      return <RoleSure details={details} question={question} now={now} model={model} />;
    case "leave":
      return <Leave details={details} now={now} model={model} />;
    case "remove":
      return <Sure words={sures.remove} name={question.member.person.name} now={now} model={model} onYes={() => model.remove(question.member)} />;
    case "ban":
      return <Sure words={sures.ban} name={question.member.person.name} now={now} model={model} onYes={() => model.ban(question.member)} />;
    case "block":
      return <Sure words={sures.block} name={question.member.person.name} now={now} model={model} onYes={() => model.block(question.member.person.id, true)} />;
    case "encrypt":
      return <Sure words={sures.encrypt} now={now} model={model} onYes={model.encrypt} />;
    case "report":
      return <Sure words={sures.report} now={now} model={model} onYes={model.report} />;
  }
}

interface SureWords {
  readonly title: Word;
  readonly text: Word;
  readonly yes: Word;
  /** What a field for the reason is called, when there is one. */
  readonly reason?: Word;
}

const sures = {
  remove: { title: "person.remove", text: "person.removeSure", yes: "person.remove" },
  ban: { title: "person.ban", text: "person.banSure", yes: "person.ban", reason: "person.banReason" },
  block: { title: "person.block", text: "person.blockSure", yes: "person.block" },
  encrypt: { title: "settings.encrypt", text: "settings.encryptSure", yes: "settings.encrypt" },
  report: { title: "pane.report", text: "pane.reportText", yes: "report.send", reason: "report.reason" },
} as const satisfies Record<string, SureWords>;

interface SureParts extends PageParts {
  readonly words: SureWords;
  readonly name?: string;
  readonly onYes: () => Promise<void>;
}

function Sure({ words: { title, text, yes, reason }, name = "", now, model, onYes }: SureParts): ReactNode {
  const { t } = useWords();
  return (
    <Dialog title={t(title)} onClose={model.cancel}>
      <div className={styles["stack"]}>
        <p>{t(text, { name })}</p>
        {reason !== undefined && (
          <TextField
            label={t(reason)}
            dir="auto"
            value={now.reason}
            onChange={(event) => {
              model.say(event.currentTarget.value);
            }}
          />
        )}
        <Answer now={now} model={model}>
          <Button look="danger" wide disabled={now.busy} onClick={() => void onYes()}>
            {t(yes)}
          </Button>
        </Answer>
      </div>
    </Dialog>
  );
}

/** The way back first, then the deed; and whether it failed. */
function Answer({ now, model, children }: PageParts & { readonly children: ReactNode }): ReactNode {
  const { t } = useWords();
  return (
    <>
      {now.failed && (
        <p className={styles["fault"]} role="alert">
          {t("inbox.failed")}
        </p>
      )}
      <Button wide onClick={model.cancel} autoFocus>
        {t("pane.cancel")}
      </Button>
      {children}
    </>
  );
}

function Leave({ details, now, model }: PageParts & { readonly details: RoomDetails }): ReactNode {
  const { t } = useWords();
  const [forget, setForget] = useState(false);
  return (
    <Dialog title={t("details.leave")} onClose={model.cancel}>
      <div className={styles["stack"]}>
        <p>{t("details.leaveSure")}</p>
        {isLastOwner(details) && details.people.length > 1 && <p className={styles["warn"]}>{t("leave.last")}</p>}
        <label className={styles["check"]}>
          <input
            type="checkbox"
            checked={forget}
            onChange={(event) => {
              setForget(event.currentTarget.checked);
            }}
          />
          <span>{t("leave.forget")}</span>
        </label>
        {now.failed && (
          <p className={styles["fault"]} role="alert">
            {t("inbox.failed")}
          </p>
        )}
        <Button wide onClick={model.cancel} autoFocus>
          {t("details.leaveNo")}
        </Button>
        <Button look="danger" wide disabled={now.busy} onClick={() => void model.leave(forget)}>
          {t("details.leaveYes")}
        </Button>
      </div>
    </Dialog>
  );
}

function PersonWindow({ details, member, now, model }: PageParts & { readonly details: RoomDetails; readonly member: Member }): ReactNode {
  const words = useWords();
  const { t } = words;
  const presence = usePresence(member.person.id);
  const { person } = member;
  const self = person.id === details.me?.person.id;
  const blocked = now.blocked.includes(person.id);
  return (
    <Dialog title={person.name} onClose={model.cancel}>
      <div className={styles["stack"]}>
        <div className={styles["face"]}>
          <PersonFace person={person} size="large" />
          <p dir="auto">{person.name}</p>
          <p className={styles["topic"]}>
            <bdi>{person.id}</bdi>
            {presence !== undefined && <span className={styles["apart"]}>{t(presenceWords[presence])}</span>}
          </p>
          {!self && details.encrypted && <IdentityMark person={person} />}
        </div>
        <RoleChoice details={details} member={member} now={now} model={model} />
        {!self && (
          <>
            <Button icon="write" wide disabled={now.busy} onClick={() => void model.write(person.id)}>
              {t("person.write")}
            </Button>
            <Powers details={details} member={member} now={now} model={model} />
            <Button
              look="quiet"
              icon="block"
              wide
              onClick={() => {
                if (blocked) void model.block(person.id, false);
                else model.ask({ about: "block", member });
              }}
            >
              {t(blocked ? "person.unblock" : "person.block")}
            </Button>
          </>
        )}
        {now.failed && (
          <p className={styles["fault"]} role="alert">
            {t("inbox.failed")}
          </p>
        )}
        <Button wide onClick={model.cancel}>
          {t("readers.close")}
        </Button>
      </div>
    </Dialog>
  );
}

function RoleChoice({ details, member, now, model }: PageParts & { readonly details: RoomDetails; readonly member: Member }): ReactNode {
  const words = useWords();
  const { t } = words;
  const given = rolesFor(details, member);
  const present = roleOf(member.level, details.needs.write);
  const why = useWhyNot(details, "roles", member);
  const options: { value: string; label: string }[] = given.map((role) => ({ value: role, label: t(roleWords[role]) }));
  if (!options.some((option) => option.value === present)) options.push({ value: present, label: t(roleWords[present]) });
  return (
    <Select
      label={t("person.role")}
      value={present as string}
      options={options}
      disabled={given.length === 0 || now.busy}
      {...(why === undefined ? {} : { hint: why })}
      onChange={(role) => {
        model.ask({ about: "role", member, role: role as GivenRole });
      }}
    />
  );
}

/** Removing and banning, with the reason why not. */
function Powers({ details, member, now, model }: PageParts & { readonly details: RoomDetails; readonly member: Member }): ReactNode {
  const { t } = useWords();
  const removing = useWhyNot(details, "remove", member);
  const banning = useWhyNot(details, "ban", member);
  const because = removing ?? banning;
  return (
    <>
      <div className={styles["toggles"]}>
        <Button
          look="danger"
          disabled={removing !== undefined || now.busy}
          onClick={() => {
            model.ask({ about: "remove", member });
          }}
        >
          {t("person.remove")}
        </Button>
        <Button
          look="danger"
          disabled={banning !== undefined || now.busy}
          onClick={() => {
            model.ask({ about: "ban", member });
          }}
        >
          {t("person.ban")}
        </Button>
      </div>
      {because !== undefined && <p className={styles["soft"]}>{because}</p>}
    </>
  );
}

function useWhyNot(details: RoomDetails, permission: "remove" | "ban" | "roles", member: Member): string | undefined {
  const words = useWords();
  switch (hindrance(details, permission, member)) {
    case "needs":
      return whyNot(details, permission, words);
    case "stronger":
      return words.t("person.stronger", { name: member.person.name });
    case "self":
      return permission === "roles" ? words.t("person.owner") : undefined;
    default:
      return undefined;
  }
}

function RoleSure({ details, question, now, model }: PageParts & { readonly details: RoomDetails; readonly question: Extract<Question, { about: "role" }> }): ReactNode {
  const { t } = useWords();
  const { member, role } = question;
  const self = member.person.id === details.me?.person.id;
  const forGood = self ? roleLevels[role] < member.level : roleLevels[role] >= (details.me?.level ?? 0);
  return (
    <Dialog title={t("person.role")} onClose={model.cancel}>
      <div className={styles["stack"]}>
        <p>{t("person.roleSure", { name: member.person.name, role: t(roleWords[role]) })}</p>
        <p className={styles["soft"]}>{t(roleTexts[role])}</p>
        {forGood && <p className={styles["warn"]}>{t(self ? "person.roleSelf" : "person.roleForGood")}</p>}
        <Answer now={now} model={model}>
          <Button look="main" wide disabled={now.busy} onClick={() => void model.setRole(member, role)}>
            {t("person.roleYes")}
          </Button>
        </Answer>
      </div>
    </Dialog>
  );
}

const roleTexts: Readonly<Record<GivenRole, Word>> = {
  member: "role.memberText",
  moderator: "role.moderatorText",
  administrator: "role.administratorText",
};
