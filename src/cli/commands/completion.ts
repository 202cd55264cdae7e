/** `millrace completion`: scripts for shells, made from the list of commands, so that they know all of them. */
import { MillraceError } from '../../core/errors.ts'
import type { Answer, Cli } from '../cli.ts'
import { COMMANDS } from '../command-list.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
const GLOBAL = ['--json', '--project', '--state', '--verbose', '--help']

export async function completion(_: Cli, [shell]: readonly unknown[]): Promise<Answer> {
  const known = SHELLS.find((name) => name === shell)
  if (!known)
    throw new MillraceError('MR_CLI_VALUE', {
      option: 'the shell',
      expected: `one of ${SHELLS.join(', ')}`,
      got: String(shell),
    })
  const script = { bash, zsh, fish }[known]()
  return { value: { shell: known, script }, lines: [script] }
}

interface Words {
  /** What follows `millrace`. */
  first: string[]
  /** What follows a group such as `data`. */
  groups: Record<string, string[]>
  /** Options by command; groups' commands by both words. */
  options: Record<string, string[]>
}

function wordsOf(): Words {
  const words: Words = { first: [], groups: {}, options: {} }
  for (const { name, options = [] } of COMMANDS) {
    const [first, second] = name.split(' ')
    if (!words.first.includes(first)) words.first.push(first)
    if (second) words.groups[first] = [...(words.groups[first] ?? []), second]
    words.options[name] = [...options.map(([flags]) => flags.split(/[ ,]/)[0]), ...GLOBAL]
  }
  return words
}

function bash(): string {
  const { first, groups, options } = wordsOf()
  const cases = Object.entries(options).map(([name, flags]) => `    "${name}") words="${flags.join(' ')}" ;;`)
  const inGroups = Object.entries(groups).map(([name, list]) => `    ${name}) words="${list.join(' ')}" ;;`)
  return `# millrace completion for bash: source <(millrace completion bash)
_millrace() {
  local now="\${COMP_WORDS[COMP_CWORD]}" words="" command="\${COMP_WORDS[1]}"
  if [[ $COMP_CWORD -eq 1 ]]; then
    words="${[...first, ...GLOBAL].join(' ')}"
  elif [[ $COMP_CWORD -eq 2 && $now != -* ]]; then
    case "$command" in
${inGroups.join('\n')}
    esac
  fi
  if [[ $now == -* && $COMP_CWORD -gt 1 ]]; then
    case "$command" in
    ${Object.keys(groups).join('|')}) command="$command \${COMP_WORDS[2]}" ;;
    esac
    case "$command" in
${cases.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$now"))
  [[ \${#COMPREPLY[@]} -eq 0 && $now != -* ]] && COMPREPLY=($(compgen -f -- "$now"))
}
complete -o filenames -F _millrace millrace`
}

function zsh(): string {
  return `#compdef millrace
# millrace completion for zsh: source <(millrace completion zsh)
autoload -U +X bashcompinit && bashcompinit
${bash()}`
}

function fish(): string {
  const { first, groups } = wordsOf()
  const lines = COMMANDS.flatMap(({ name, summary, options = [] }) => {
    const [head, tail] = name.split(' ')
    const about = summary.replaceAll("'", "\\'")
    const when = tail
      ? `__fish_seen_subcommand_from ${head}; and not __fish_seen_subcommand_from ${groups[head].join(' ')}`
      : '__fish_use_subcommand'
    const seen = tail
      ? `__fish_seen_subcommand_from ${head}; and __fish_seen_subcommand_from ${tail}`
      : `__fish_seen_subcommand_from ${head}`
    return [
      `complete -c millrace -n '${when}' -f -a ${tail ?? head} -d '${about}'`,
      ...options.map(
        ([flags, text]) =>
          `complete -c millrace -n '${seen}' -l ${flags.split(/[ ,]/)[0].slice(2)} -d '${text.replaceAll("'", "\\'")}'`,
      ),
    ]
  })
  const named = Object.keys(groups).map(
    (name) => `complete -c millrace -n __fish_use_subcommand -f -a ${name}`,
  )
  const all = GLOBAL.map((flag) => `complete -c millrace -l ${flag.slice(2)}`)
  return ['# millrace completion for fish', ...named, ...lines, ...all, `# ${first.length} commands`].join(
    '\n',
  )
}
