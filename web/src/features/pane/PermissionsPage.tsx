import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { permissions, type Permission } from "../../store/Rooms.ts";
import { may, roleLevels, roleOf } from "../../store/roles.ts";
import { Select } from "../../ui/Select.tsx";
import type { RoomParts } from "./AboutPage.tsx";
import styles from "./PaneView.module.css";
import { permissionWords, roleWords, whoWords, whyNot } from "./words.ts";

/** Who may do what here, in words. Nobody can give or take what is above their own role. */
export function PermissionsPage({ details, now, model }: RoomParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const mine = details.me?.level ?? 0;
  const closed = whyNot(details, "roles", words);
  return (
    <>
      <p className={styles["soft"]}>{t("permissions.mine", { role: t(roleWords[roleOf(mine, details.needs.write)]) })}</p>
      {closed !== undefined && <p>{closed}</p>}
      {now.failed && (
        <p className={styles["fault"]} role="alert">
          {t("inbox.failed")}
        </p>
      )}
      <ul className={styles["permissions"]} aria-label={t("pane.permissions")}>
        {permissions.map((permission) => (
          <li key={permission}>
            <Permit permission={permission} need={details.needs[permission]} mine={mine} open={may(details, "roles") && !now.busy} onChange={(level) => void model.setNeeds(permission, level)} />
          </li>
        ))}
      </ul>
    </>
  );
}

interface PermitParts {
  readonly permission: Permission;
  readonly need: number;
  readonly mine: number;
  readonly open: boolean;
  readonly onChange: (level: number) => void;
}

function Permit({ permission, need, mine, open, onChange }: PermitParts): ReactNode {
  const { t } = useWords();
  const above = need > mine;
  const levels = new Set([...Object.values(roleLevels).filter((level) => level <= mine || level === need), need]);
  return (
    <Select
      label={t(permissionWords[permission])}
      value={String(need)}
      options={[...levels].sort((a, b) => a - b).map((level) => ({ value: String(level), label: t(whoWords[roleOf(level)]) }))}
      disabled={!open || above}
      {...(open && above ? { hint: t("permissions.above") } : {})}
      onChange={(value) => {
        onChange(Number(value));
      }}
    />
  );
}
