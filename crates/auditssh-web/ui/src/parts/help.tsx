import { useEffect, useRef, useState } from "preact/hooks";
import { keysAreOn, turnKeys } from "../keys";
import { visible } from "../visible";
import { Icon } from "./icon";

const GROUPS: [string, [string[], string][]][] = [
  [
    "Everywhere",
    [
      [["?"], "this help"],
      [["/"], "to the search field or the filters"],
      [["g s", "g f"], "sessions, search"],
      [["t"], "colours: as the system, light, dark"],
    ],
  ],
  [
    "Lists",
    [
      [["j", "k"], "next, previous line"],
      [["Enter"], "open it"],
      [["n", "p"], "next, previous page"],
    ],
  ],
  [
    "Player",
    [
      [["Space"], "play, pause"],
      [["←", "→"], "5 seconds back, on"],
      [["Shift ←", "Shift →"], "a tenth back, on"],
      [["[", "]"], "to the mark before, after"],
      [[",", "."], "a frame back, on"],
      [["0", "9"], "to the beginning … to nine tenths"],
      [["<", ">"], "slower, faster"],
      [["s"], "skip silence, or not"],
      [["f"], "whole screen"],
      [["l"], "follow a session that runs"],
    ],
  ],
];

/** The keys, in a dialog. */
export function Help(props: { open: boolean; version: string | undefined; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [on, setOn] = useState(keysAreOn());
  useEffect(() => {
    if (props.open && !dialog.current?.open) dialog.current?.showModal();
    else if (!props.open) dialog.current?.close();
  }, [props.open]);
  const turn = () => {
    turnKeys(!on);
    setOn(!on);
  };
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={props.onClose}>
      <div class="help-head">
        <h2 id="help-title">Keys</h2>
        <button class="quiet" type="button" onClick={props.onClose} title="Close (Escape)">
          <Icon name="close" />
          <span class="sr">Close</span>
        </button>
      </div>
      <div class="help-groups">
        {GROUPS.map(([title, keys]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {keys.map(([names, what]) => (
                <div key={what}>
                  <dt>
                    {names.map((name) => (
                      <kbd key={name}>{name}</kbd>
                    ))}
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <div class="help-foot">
        <label class="check">
          <input type="checkbox" checked={on} onChange={turn} /> Keys without a modifier are on
        </label>
        <p>
          AuditSSH {props.version ? visible(props.version) : ""} · <a href={LICENCES}>licences of what is built in</a>
        </p>
      </div>
    </dialog>
  );
}
