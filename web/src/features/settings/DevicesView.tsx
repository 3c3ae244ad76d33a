import type { FormEvent, ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { OwnDevice } from "../../store/Settings.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useApp, useViewModel } from "../context.ts";
import { Card } from "./Card.tsx";
import { DevicesViewModel, type Task } from "./DevicesViewModel.ts";
import styles from "./settings.module.css";

/** Where one is signed in. A device that one does not know is signed out here. */
export function DevicesView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new DevicesViewModel(app));
  return (
    <>
      <Card title={t("devices.title")}>
        <p className={styles["soft"]}>{t("devices.hint")}</p>
        {now.state === "failed" && (
          <div className={styles["failed"]} role="alert">
            <p>{t("settings.loadFailed")}</p>
            <Button icon="retry" onClick={() => void model.load()}>
              {t("room.olderRetry")}
            </Button>
          </div>
        )}
        {now.state === "loading" && <Skeleton rows={2} label={t("devices.loading")} />}
        <ul className={styles["devices"]}>
          {now.devices.map((device) => (
            <Device key={device.id} device={device} model={model} />
          ))}
        </ul>
      </Card>
      {now.task !== undefined && <TaskDialog task={now.task} model={model} />}
    </>
  );
}

function Device({ device, model }: { readonly device: OwnDevice; readonly model: DevicesViewModel }): ReactNode {
  const { t, moment } = useWords();
  const { now } = useApp();
  const name = device.name === "" ? device.id : device.name;
  return (
    <li>
      <Icon name="device" size={24} />
      <div>
        <h3 dir="auto">{name}</h3>
        <p className={styles["soft"]}>
          {device.here ? t("devices.here") : device.seen === undefined ? t("devices.never") : t("devices.seen", { when: moment(device.seen, now()) })}
          {name !== device.id && (
            <>
              {" · "}
              <bdi>{device.id}</bdi>
            </>
          )}
        </p>
        <div className={styles["acts"]}>
          <Button
            aria-label={t("devices.renameOne", { name })}
            icon="edit"
            onClick={() => {
              model.begin("rename", device);
            }}
          >
            {t("devices.rename")}
          </Button>
          {!device.here && (
            <Button
              look="danger"
              icon="leave"
              aria-label={t("devices.endOne", { name })}
              onClick={() => {
                model.begin("end", device);
              }}
            >
              {t("me.signOut")}
            </Button>
          )}
        </div>
      </div>
    </li>
  );
}

function TaskDialog({ task, model }: { readonly task: Task; readonly model: DevicesViewModel }): ReactNode {
  const { t } = useWords();
  const ends = task.kind === "end";
  const title = t(ends ? "devices.endOne" : "devices.renameOne", { name: task.device.name === "" ? task.device.id : task.device.name });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void model.finish();
  };
  return (
    <Dialog title={title} onClose={model.cancel}>
      <form className={styles["sure"]} onSubmit={submit}>
        <h2>{title}</h2>
        {ends && <p>{t("devices.endSure")}</p>}
        <TextField
          label={t(ends ? "signin.password" : "devices.name")}
          type={ends ? "password" : "text"}
          autoComplete={ends ? "current-password" : "off"}
          value={task.typed}
          autoFocus
          onChange={(event) => {
            model.type(event.currentTarget.value);
          }}
        />
        <div role="alert">
          {task.state === "wrongPassword" && <p className={styles["fault"]}>{t("devices.wrongPassword")}</p>}
          {task.state === "failed" && <p className={styles["fault"]}>{t("inbox.failed")}</p>}
        </div>
        <Button look={ends ? "danger" : "main"} type="submit" wide disabled={task.state === "busy" || task.typed.trim() === ""}>
          {t(ends ? "me.signOut" : "settings.save")}
        </Button>
        <Button wide onClick={model.cancel}>
          {t("settings.cancel")}
        </Button>
      </form>
    </Dialog>
  );
}
