/** Reads the text of a server-sent event stream piece by piece, wherever the pieces were cut. */
export interface ServerEvent {
  event: string
  data: string
  /** Name under which the stream can be taken up again after this event. */
  id?: string
}

export interface SseReader {
  /** Events completed by this piece, in order. */
  push(piece: string): ServerEvent[]
}

export function sseReader(): SseReader {
  let rest = ''
  return {
    push(piece) {
      const blocks = (rest + piece).replaceAll('\r\n', '\n').split('\n\n')
      rest = blocks.pop() ?? ''
      return blocks.map(readBlock).filter((event) => event !== null)
    },
  }
}

/** One block of lines; null when it carries no data (a comment that keeps the connection open). */
function readBlock(block: string): ServerEvent | null {
  let event = 'message'
  let id: string | undefined
  const data: string[] = []
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) event = line.slice(6).trim()
    else if (line.startsWith('id:')) id = line.slice(3).trim()
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
  }
  return data.length === 0 ? null : { event, data: data.join('\n'), ...(id === undefined ? {} : { id }) }
}
