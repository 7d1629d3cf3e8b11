/** What a check sees, case by case, printed as a Markdown table as it comes. */
export class Findings {
  #case = ''

  constructor(title: string) {
    console.log(`${title}\n\n| case | seen | as it has to be |\n|---|---|---|`)
  }

  /** What is told from here on is of this case. */
  begin(name: string): void {
    this.#case = name
  }

  /** What had to be and is not makes the check fail. */
  tell(seen: string, isSo = true): void {
    if (!isSo) process.exitCode = 1
    console.log(`| ${this.#case} | ${seen.replaceAll('|', '\\|')} | ${isSo ? 'yes' : '**no**'} |`)
    this.#case = ''
  }
}
