import type { ReactNode } from "react";

import { languages } from "../i18n/language.ts";
import { useWords } from "../i18n/words.tsx";
import type { Preference } from "../store/Preferences.ts";
import { Select } from "../ui/Select.tsx";

export interface LanguageChoiceProps {
  readonly chosen: Preference["language"];
  /** Something beside it says already what is chosen. */
  readonly labelHidden?: boolean;
  readonly onChoose: (change: { readonly language: Preference["language"] }) => void;
}

/** Each language is called by its own name. */
export function LanguageChoice({ chosen, onChoose, labelHidden = false }: LanguageChoiceProps): ReactNode {
  const { t } = useWords();
  const options = [{ value: "system" as const, label: t("me.languageSystem") }, ...languages.map(({ language, name }) => ({ value: language, label: name }))];
  return (
    <Select
      label={t("me.language")}
      labelHidden={labelHidden}
      value={chosen}
      options={options}
      onChange={(language) => {
        onChoose({ language });
      }}
    />
  );
}
