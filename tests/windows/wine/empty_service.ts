/**
 * A service that does nothing, for times.ts: what Deno, Wine and its service control manager take
 * is what the real one can't be faster than.
 */
import {
  openServiceControl,
  SERVICE_ACCEPT_STOP,
  SERVICE_CONTROL_STOP,
  SERVICE_RUNNING,
  SERVICE_STOPPED,
} from "../../../lib/win32/winsvc.ts";

const scm = openServiceControl();
const none = { controlsAccepted: 0, exitCode: 0, serviceExitCode: 0, waitHint: 0 };
const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
await scm.startDispatcher((name) => {
  scm.registerHandler(name, (control) => {
    if (control === SERVICE_CONTROL_STOP) {
      setTimeout(() => {
        scm.setStatus({ ...none, state: SERVICE_STOPPED });
        stop();
      }, 0);
    }
    return 0;
  });
  scm.setStatus({ ...none, state: SERVICE_RUNNING, controlsAccepted: SERVICE_ACCEPT_STOP });
});
await stopped;
Deno.exit(0);
