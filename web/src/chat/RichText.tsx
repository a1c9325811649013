import { memo } from 'react';
import styles from './RichText.module.css';
import { rich, type Span } from './rich';

/** A message's text, in the direction of its own language. */
export const RichText = memo(function RichText({ text }: { text: string }) {
  return rich(text).map((block, index) =>
    block.kind === 'code' ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: a text's pieces have no other name
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be scrolled by keyboard too
      <pre key={index} className={styles.block} dir="ltr" tabIndex={0}>
        <code>{block.text}</code>
      </pre>
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: a text's pieces have no other name
      <p key={index} className={styles.text} dir="auto">
        {block.spans.map((span, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a text's pieces have no other name
          <Piece key={index} span={span} />
        ))}
      </p>
    ),
  );
});

function Piece({ span }: { span: Span }) {
  if (span.kind === 'link') {
    return (
      <>
        <a href={span.href} target="_blank" rel="noopener noreferrer nofollow ugc">
          {span.text}
        </a>
        {span.host && <span className={styles.host}> ({span.host})</span>}
      </>
    );
  }
  if (span.kind === 'code') return <code className={styles.code}>{span.text}</code>;
  return span.kind === 'strong' ? <strong>{span.text}</strong> : span.text;
}
