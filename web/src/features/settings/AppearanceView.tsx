import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { textSizes } from "../../store/Preferences.ts";
import { Switch } from "../../ui/Switch.tsx";
import { Tiles } from "../../ui/Tiles.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import { LanguageChoice } from "../LanguageChoice.tsx";
import { Card } from "./Card.tsx";

/** How the app looks and speaks in this browser. */
export function AppearanceView(): ReactNode {
  const { t } = useWords();
  const { preferences } = useApp();
  const now = useSnapshot(preferences);
  return (
    <>
      <Card title={t("me.look")}>
        <Tiles
          label={t("me.look")}
          value={now.theme}
          options={[
            { value: "system", label: t("me.lookSystem"), icon: "device" },
            { value: "light", label: t("me.lookLight"), icon: "sun" },
            { value: "dark", label: t("me.lookDark"), icon: "moon" },
          ]}
          onChange={(theme) => {
            preferences.choose({ theme });
          }}
        />
        <Switch
          label={t("appearance.contrast")}
          hint={t("appearance.contrastHint")}
          on={now.contrast === "more"}
          onChange={(on) => {
            preferences.choose({ contrast: on ? "more" : "system" });
          }}
        />
      </Card>
      <Card title={t("appearance.text")}>
        <Tiles
          label={t("appearance.text")}
          value={now.text}
          options={textSizes.map((size) => ({ value: size, label: t("appearance.percent", { size: Number(size) }) }))}
          onChange={(text) => {
            preferences.choose({ text });
          }}
        />
      </Card>
      <Card title={t("me.language")}>
        <LanguageChoice
          labelHidden
          chosen={now.language}
          onChoose={(change) => {
            preferences.choose(change);
          }}
        />
      </Card>
      <Card title={t("appearance.keys")}>
        <Switch
          label={t("appearance.singleKeys")}
          hint={t("appearance.singleKeysHint")}
          on={now.singleKeys === "on"}
          onChange={(on) => {
            preferences.choose({ singleKeys: on ? "on" : "off" });
          }}
        />
      </Card>
    </>
  );
}
