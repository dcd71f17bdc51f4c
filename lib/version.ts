/** The version of service and sender; CHANGELOG.md tells what each brought. */
export const arpflushVersion = "0.1.0";
