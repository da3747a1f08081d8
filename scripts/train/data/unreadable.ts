const NAMED = 20;

/** Lines that name files which were left out because they are no images; none where there are none. */
export function unreadableLines(files: readonly string[]): string[] {
  if (files.length === 0) return [];
  const more = files.length > NAMED ? [`  … and ${files.length - NAMED} more`] : [];
  const named = files.slice(0, NAMED).map((file) => `  ${file}`);
  return [
    `left out ${files.length} ${files.length === 1 ? "file that is" : "files that are"} no image:`,
    ...named,
    ...more,
  ];
}
