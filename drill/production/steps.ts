/** A command of the documentation. */
export interface Step {
  /** A page of `docs/` and the heading of a section of it. */
  page: string;
  section: string;
  /** Only this command of the section has the text. */
  text: string;
  /** What a reader puts something else for. */
  blanks?: readonly string[];
}

const kubernetes = (section: string, text: string, blanks: readonly string[] = []): Step => ({
  page: "kubernetes.md",
  section,
  text,
  blanks,
});
const production = (text: string, blanks?: readonly string[]): Step =>
  kubernetes("## Production", text, blanks);
const restore = (text: string): Step => kubernetes("### Back to a moment before", text);

export const SHIPPED_OVERLAY = "k8s/overlays/production";
export const OWN_OVERLAY = "k8s/overlays/drill";
export const SHIPPED_ACCESS = ["access-key-id=…", "secret-access-key=…"] as const;
export const DEV_APPLY = "kubectl apply -k k8s/overlays/dev";
export const BACKED_UP = ["name: postgres\n", "get cluster postgres "] as const;

/** What the drill follows, by its own words. */
export const STEPS = {
  secrets: production("create secret generic tollgate-secrets", SHIPPED_ACCESS),
  apply: production(`apply -k ${SHIPPED_OVERLAY}`, [SHIPPED_OVERLAY]),
  trust: production("patch deployment messaging-topology-operator"),
  // Production refers to it.
  "until accepting": kubernetes("## A first request", "wait --for=condition=complete job/migrate", [
    DEV_APPLY,
  ]),
  scale: production("autoscaling.keda.sh/paused=false"),
  "stop accepting": restore("autoscaling.keda.sh/paused-replicas=0"),
  "stop collecting": restore("scale deploy/collector --replicas=0"),
  restore: restore("apply -k k8s/restore"),
  "delete Redis": restore("delete statefulset redis"),
  "forget Redis": restore("delete pvc -l app.kubernetes.io/name=redis"),
  "delete the migration": restore("delete job migrate --ignore-not-found"),
  "accept again": restore("autoscaling.keda.sh/paused-replicas-"),
  audit: restore("audit --queues"),
  backup: {
    page: "operations.md",
    section: "### Backups on Kubernetes",
    text: "generateName: postgres-by-hand-",
    blanks: BACKED_UP,
  },
} as const satisfies Record<string, Step>;
export type StepName = keyof typeof STEPS;
