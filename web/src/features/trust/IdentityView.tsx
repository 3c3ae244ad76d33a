import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Person } from "../../store/model.ts";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import styles from "./trust.module.css";

/** Somebody in a conversation has new keys: the one moment in which a person must act. */
export function IdentityBar({ people }: { readonly people: readonly Person[] }): ReactNode {
  return people.map((person) => <Changed key={person.id} person={person} />);
}

function Changed({ person }: { readonly person: Person }): ReactNode {
  const { t } = useWords();
  const { safety } = useApp();
  const identity = useSnapshot(safety.identity(person.id));
  if (identity !== "changed") return null;
  return (
    <div className={styles["changed"]} role="alert">
      <Icon name="alert" size={18} />
      <span>{t("identity.changed", { name: person.name })}</span>
      <button type="button" onClick={() => void safety.verifyPerson(person.id)}>
        {t("identity.compare")}
      </button>
      <button type="button" onClick={() => void safety.acceptIdentity(person.id)}>
        {t("identity.accept")}
      </button>
    </div>
  );
}

/** Whether somebody is who they seem to be, and the way to find out. */
export function IdentityMark({ person }: { readonly person: Person }): ReactNode {
  const { t } = useWords();
  const { safety } = useApp();
  const identity = useSnapshot(safety.identity(person.id));
  if (identity === "unknown") return null;
  const word = identity === "verified" ? "identity.verified" : identity === "changed" ? "identity.changedShort" : "identity.unverified";
  return (
    <span className={styles["identity"]} data-identity={identity}>
      <Icon name={identity === "verified" ? "tick" : identity === "changed" ? "alert" : "info"} size={18} />
      <span>{t(word)}</span>
      {identity !== "verified" && (
        <button type="button" aria-label={t("identity.verify", { name: person.name })} onClick={() => void safety.verifyPerson(person.id)}>
          {t("confirm.keyGo")}
        </button>
      )}
    </span>
  );
}
