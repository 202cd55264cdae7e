/** Members of a family as dots: rows they learned from against their metric. Canvas, so that ten thousand move smoothly. */
import { useComputedColorScheme } from '@mantine/core'
import { ScatterChart } from 'echarts/charts'
import { DataZoomComponent, GridComponent, MarkLineComponent, TooltipComponent } from 'echarts/components'
import { type EChartsType, init, use as register } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'
import { useEffect, useRef } from 'react'
import { compact, count, metric } from '../format/numbers.ts'

register([
  ScatterChart,
  GridComponent,
  TooltipComponent,
  MarkLineComponent,
  DataZoomComponent,
  CanvasRenderer,
])

export interface ScatterPoint {
  key: string
  rows: number
  value: number
  held: boolean
}

interface ScatterProps {
  points: readonly ScatterPoint[]
  metricName: string
  onPick: (key: string) => void
}

export default function Scatter({ points, metricName, onPick }: ScatterProps) {
  const host = useRef<HTMLDivElement>(null)
  const chart = useRef<EChartsType | null>(null)
  const scheme = useComputedColorScheme('light')
  const pick = useRef(onPick)
  pick.current = onPick
  useEffect(() => {
    const node = host.current
    if (node === null) return
    const made = init(node)
    chart.current = made
    made.on('click', (event) => pick.current(String((event.data as { name?: string }).name ?? '')))
    const resize = new ResizeObserver(() => made.resize())
    resize.observe(node)
    return () => {
      resize.disconnect()
      made.dispose()
    }
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are read from the page when the scheme changes
  useEffect(() => {
    chart.current?.setOption(optionOf(points, metricName), true)
  }, [points, metricName, scheme])
  return (
    <div
      ref={host}
      className="scatter"
      role="img"
      aria-label={`${count(points.length)} members: rows learned from against ${metricName}`}
    />
  )
}

function optionOf(points: readonly ScatterPoint[], metricName: string) {
  const style = getComputedStyle(document.documentElement)
  const ink = (name: string) => style.getPropertyValue(name).trim()
  const text = { color: ink('--ink-3'), fontFamily: ink('--sans'), fontSize: 12 }
  const axis = {
    axisLabel: text,
    nameTextStyle: text,
    axisLine: { lineStyle: { color: ink('--line-strong') } },
    splitLine: { lineStyle: { color: ink('--line') } },
  }
  const dots = (held: boolean) =>
    points.filter((p) => p.held === held).map((p) => ({ name: p.key, value: [p.rows, p.value] }))
  const median = medianOf(points.map((p) => p.value))
  return {
    animation: false,
    grid: { left: 56, right: 24, top: 28, bottom: 44 },
    tooltip: {
      renderMode: 'richText',
      backgroundColor: ink('--raised'),
      borderColor: ink('--line-strong'),
      textStyle: { ...text, color: ink('--ink') },
      formatter: (p: { data: { name: string; value: [number, number] } }) =>
        `${p.data.name}\n${metricName} ${metric(p.data.value[1])}\n${count(p.data.value[0])} rows`,
    },
    dataZoom: [{ type: 'inside', xAxisIndex: 0 }],
    xAxis: {
      ...axis,
      type: 'log',
      name: 'rows learned from',
      nameLocation: 'middle',
      nameGap: 28,
      axisLabel: { ...text, formatter: compact },
    },
    yAxis: {
      ...axis,
      type: 'value',
      scale: true,
      name: metricName,
      axisLabel: { ...text, formatter: (v: number) => metric(v) },
    },
    series: [
      {
        type: 'scatter',
        data: dots(false),
        symbolSize: 8,
        large: points.length > 4000,
        itemStyle: { color: ink('--accent'), opacity: 0.65 },
        emphasis: { focus: 'self' },
        markLine: {
          silent: true,
          precision: 8,
          symbol: 'none',
          lineStyle: { color: ink('--ink-3'), type: 'dashed' },
          label: { ...text, formatter: `median ${metric(median)}`, position: 'insideEndTop' },
          data: [{ yAxis: median }],
        },
      },
      {
        type: 'scatter',
        data: dots(true),
        symbolSize: 8,
        itemStyle: { color: 'transparent', borderColor: ink('--ink-3'), borderWidth: 1.5 },
      },
    ],
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
