import { type ChangeEvent, type FormEvent, type ReactNode, useRef } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button } from "../../ui/Button.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useViewModel } from "../context.ts";
import { Card } from "./Card.tsx";
import { CutView } from "./CutView.tsx";
import { ProfilePicture } from "./ProfilePicture.tsx";
import { ProfileViewModel, type ProfileSnapshot } from "./ProfileViewModel.ts";
import styles from "./settings.module.css";

/** How others see one. */
export function ProfileView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new ProfileViewModel(app));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void model.save();
  };
  return (
    <>
      <Card title={t("profile.picture")}>
        <Picture now={now} model={model} />
      </Card>
      <Card title={t("profile.name")}>
        <form className={styles["sure"]} onSubmit={submit}>
          <TextField
            label={t("profile.nameLabel")}
            hint={t("profile.nameHint")}
            dir="auto"
            autoComplete="name"
            value={now.name}
            onChange={(event) => {
              model.type(event.currentTarget.value);
            }}
          />
          <Button look="main" type="submit" disabled={!now.canSave}>
            {t("settings.save")}
          </Button>
        </form>
      </Card>
      {now.cutting !== undefined && (
        <CutView
          file={now.cutting}
          onCut={(picture) => void model.show(picture)}
          onCancel={() => {
            model.pick(undefined);
          }}
        />
      )}
    </>
  );
}

function Picture({ now, model }: { readonly now: ProfileSnapshot; readonly model: ProfileViewModel }): ReactNode {
  const { t } = useWords();
  const picker = useRef<HTMLInputElement>(null);
  const pick = (event: ChangeEvent<HTMLInputElement>): void => {
    model.pick(event.currentTarget.files?.[0]);
    event.currentTarget.value = "";
  };
  return (
    <div className={styles["picture"]}>
      {now.picture === undefined ? <Avatar id={now.me?.id ?? ""} name={now.me?.name ?? ""} size="large" /> : <ProfilePicture source={now.picture} person={now.me} />}
      <p className={styles["soft"]}>{t("profile.pictureHint")}</p>
      <div className={styles["acts"]}>
        <input ref={picker} type="file" accept="image/*" hidden onChange={pick} data-testid="avatar" />
        <Button icon="camera" disabled={now.busy} onClick={() => picker.current?.click()}>
          {t("profile.choose")}
        </Button>
        {now.picture !== undefined && (
          <Button look="danger" disabled={now.busy} onClick={() => void model.show(undefined)}>
            {t("profile.remove")}
          </Button>
        )}
      </div>
    </div>
  );
}
